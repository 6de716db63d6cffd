/** What a host tells of its pool, judged. */
import type { HostReport } from "../../contract/api.ts";
import { fail, type Outcome, ok, skipped, warn } from "./check.ts";

const GIB = 2 ** 30;

export function storageCheck(name: string, storage: HostReport["storage"]): Outcome {
  const { pool, health, problem } = storage;
  if (problem) return fail("not there", problem);
  if (pool === null) return skipped("not told");
  const errors = Object.values(health?.device_errors ?? {}).reduce((sum, count) => sum + count, 0);
  const wrong = (health?.scrub?.errors ?? 0) + errors;
  if (wrong > 0) {
    return fail(`${wrong} errors`, {
      code: "storage.device-errors",
      title: `The disk below the pool of ${name} makes errors: ${wrong} so far`,
      why: "Blocks could not be read or written, or did not have the checksum that they were written with.",
      fix: "Back up, replace the disk, and see which files it is about in dmesg on that machine.",
      command: "sudo cocalc-project-host storage scrub",
    });
  }
  if (pool.backing !== null && pool.watermark !== "ok") {
    const left = `${(pool.backing.free_bytes / GIB).toFixed(1)} GiB left`;
    if (pool.watermark === "stop" && pool.backing.free_bytes > pool.backing.reserve_bytes) {
      return warn(left, {
        code: "storage.was-full",
        title: `The disk that holds the pool of ${name} was full, and its projects are being stopped`,
        why: "It has room again, but what was begun is brought to its end.",
        fix: "Nothing: once they have stopped, they can be started.",
      });
    }
    const problem = {
      code: "storage.nearly-full",
      title: `The disk that holds the pool of ${name} is nearly full: ${left}`,
      why: "Its image is sparse: were that disk full, files that projects have saved would be lost. So no project is started below half of the reserve, and all are stopped below a quarter.",
      fix: "Free space on that disk, outside the pool.",
    };
    return pool.watermark === "warn" ? warn(left, problem) : fail(left, problem);
  }
  if (pool.kind === "directory") {
    return warn("plain directories", {
      code: "storage.no-pool",
      title: `${name} keeps projects in plain directories`,
      why: "There are no quotas and no snapshots: one project can fill the disk of all.",
      fix: pool.note ?? "Give it a pool; the command says what that takes.",
      command: "sudo cocalc-project-host storage plan",
    });
  }
  if (pool.counted === "polled") {
    return warn("no quotas", {
      code: "storage.no-quotas",
      title: `${name} cannot limit what projects use`,
      why: "Simple quotas need Linux 6.7 and a pool that was made with them. What projects use is counted now and then.",
      fix: "Upgrade that machine; a new pool has quotas then.",
    });
  }
  return ok(`btrfs, ${pool.mode}, ${(pool.free_bytes / GIB).toFixed(1)} GiB free`);
}
