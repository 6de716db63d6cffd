/** Enlarges the pool while it is in use. It never shrinks. */
import { existsSync, lstatSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { CodedError, EX } from "../../core/errors.ts";
import { execOk } from "../../core/exec.ts";
import { ALLOCATE_TIMEOUT_MS, loopOf, mountPool } from "./pool.ts";
import { type PoolPlaces, writePoolRecord } from "./pool-record.ts";
import { grownSize } from "./sizing.ts";
import type { DirectoryTarget } from "./target.ts";
import { takeBallast } from "./watch.ts";

/** Of the mounted file system. */
async function sizeOf(places: PoolPlaces): Promise<number> {
  const { blocks, bsize } = await statfs(places.pool);
  return blocks * bsize;
}

/** Enlarges an image to what its file system has free by now, or follows a device that grew. Bytes. Error: `storage.no-room`. */
export async function growPool(
  places: PoolPlaces,
  found: DirectoryTarget,
  preallocate: boolean,
): Promise<{ from: number; to: number; preallocated: boolean }> {
  const record = await mountPool(places);
  if (record.mode === "device") {
    const before = await sizeOf(places);
    await execOk(["btrfs", "filesystem", "resize", "max", places.pool]);
    return { from: before, to: await sizeOf(places), preallocated: false };
  }
  const from = lstatSync(places.image).size;
  // Part of the reserve, and given back now: it counts as free.
  const ballast = existsSync(places.ballast) ? lstatSync(places.ballast).blocks * 512 : 0;
  const target = { ...found, free_bytes: found.free_bytes + ballast };
  rmSync(places.ballast, { force: true });
  const to = grownSize(from, target) ?? from;
  const allocate = preallocate || record.mode === "preallocated";
  if (allocate) {
    const missing = to - target.held_bytes;
    if (missing > target.free_bytes - record.reserve_bytes / 2) {
      throw new CodedError({
        code: "storage.no-room",
        title: "There is no room to set aside all of the image",
        why: `It lacks ${missing} bytes; ${target.free_bytes} are free, of which half of the reserve stays free.`,
        fix: "Free space on that disk.",
        exit: EX.UNAVAILABLE,
      });
    }
    // From now on nothing is given back, or what is about to be allocated would be.
    await execOk(["mount", "--no-mtab", "-o", "remount,nodiscard", places.pool]);
    // What is there keeps its content: only holes are filled.
    await execOk(["fallocate", "--length", String(to), places.image], { timeout: ALLOCATE_TIMEOUT_MS });
    writePoolRecord(places, { ...record, mode: "preallocated", ballast_bytes: 0 });
  } else if (to > from) await execOk(["truncate", `--size=${to}`, places.image]);
  // Also where the image is large enough already: an earlier run may have been cut off before this.
  const loop = await loopOf(places.image);
  if (loop !== undefined) await execOk(["losetup", "--set-capacity", loop]);
  await execOk(["btrfs", "filesystem", "resize", "max", places.pool]);
  if (!allocate) await takeBallast(places, record.ballast_bytes);
  return { from, to, preallocated: allocate };
}
