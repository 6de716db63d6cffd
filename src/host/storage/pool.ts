/** Makes, mounts and unmounts the pool. Every step can be done again after a kill in the middle of it. */
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { exec, execOk } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { enableSimpleQuota, fsUuid, withFd } from "./btrfs-ioctl.ts";
import type { Plan } from "./plan.ts";
import {
  isMounted,
  type PoolPlaces,
  type PoolRecord,
  readPoolRecord,
  writePoolRecord,
  wrongUuid,
} from "./pool-record.ts";
import { kernelKnowsSimpleQuotas, wasMadeWithSimpleQuotas } from "./superblock.ts";
import { btrfsUuid } from "./target.ts";
import { takeBallast } from "./watch.ts";

const log = logger("storage");
/** Allocating 100s of GB on a slow disk; mkfs of a large one. */
export const ALLOCATE_TIMEOUT_MS = 600_000;
const UNMOUNT_TRIES = 50;
const UNMOUNT_RETRY_MS = 100;
/** The subvolume that is ours in a file system that was there before us. */
const SUBVOLUME = "cocalc";
const LABEL = "cocalc";

/** Errors: `storage.pool-exists`, `storage.image-there`, and what mkfs says. */
export async function initPool(places: PoolPlaces, plan: Plan): Promise<PoolRecord> {
  if (readPoolRecord(places) !== undefined) {
    throw new CodedError({
      code: "storage.pool-exists",
      title: "This host has a pool already",
      fix: "See it with: cocalc-project-host storage status.",
      exit: EX.CANTCREAT,
    });
  }
  const common = {
    subvolume: null,
    counted: "unknown",
    reserve_bytes: plan.reserve_bytes,
    ballast_bytes: plan.ballast_bytes,
    shared_with_backups: plan.shared_with_backups,
    created_at: new Date().toISOString(),
  } as const;
  if (plan.action === "adopt") {
    const uuid = (await btrfsUuid(plan.path)) ?? "";
    const record = { ...common, uuid, mode: "device", subvolume: SUBVOLUME } as const;
    writePoolRecord(places, record);
    return record;
  }
  const uuid = randomUUID();
  if (plan.action === "format") {
    await mkfs(plan.path, uuid);
    const record = { ...common, uuid, mode: "device" } as const;
    writePoolRecord(places, record);
    return record;
  }
  if (existsSync(places.image)) {
    throw new CodedError({
      code: "storage.image-there",
      title: `There is an image at ${places.image}, which no record names`,
      why: "It may hold the projects of an earlier installation.",
      fix: "Adopt it with: cocalc-project-host storage init --adopt. Or move it away.",
      exit: EX.CANTCREAT,
    });
  }
  const fresh = `${places.image}.new`;
  rmSync(fresh, { force: true });
  const mode = plan.mode === "preallocated" ? "preallocated" : "sparse";
  await makeFile(fresh, plan.size_bytes, mode === "preallocated");
  await mkfs(fresh, uuid);
  await takeBallast(places, plan.ballast_bytes);
  const record = { ...common, uuid, mode } as const;
  // From here on a second run goes on with this file: its UUID is known.
  writePoolRecord(places, record);
  renameSync(fresh, places.image);
  return record;
}

async function makeFile(path: string, bytes: number, allocate: boolean): Promise<void> {
  const fd = openSync(
    path,
    constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    ftruncateSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
  // On a backing btrfs, copies of copies on write are slow and eat room.
  await exec(["chattr", "+C", path]);
  if (allocate)
    await execOk(["fallocate", "--length", String(bytes), path], { timeout: ALLOCATE_TIMEOUT_MS });
}

/** Without discard: it would give back what was just allocated. */
async function mkfs(path: string, uuid: string): Promise<void> {
  await execOk(["mkfs.btrfs", "--quiet", "--nodiscard", "--uuid", uuid, "--label", LABEL, path], {
    timeout: ALLOCATE_TIMEOUT_MS,
  });
}

/** An image without a record, from an earlier installation: its record is made anew, nothing in it is changed. */
export async function adoptImage(places: PoolPlaces, plan: Plan): Promise<PoolRecord> {
  const uuid = await btrfsUuid(places.image);
  if (uuid === null) {
    throw new CodedError({
      code: "storage.cannot-adopt",
      title: `${places.image} holds no btrfs file system`,
      fix: "Move it away.",
      exit: EX.DATAERR,
    });
  }
  const { size, blocks } = lstatSync(places.image);
  const mode = blocks * 512 >= size ? "preallocated" : "sparse";
  const record: PoolRecord = {
    uuid,
    mode,
    counted: "unknown",
    subvolume: null,
    reserve_bytes: plan.reserve_bytes,
    ballast_bytes: mode === "sparse" ? plan.ballast_bytes : 0,
    shared_with_backups: plan.shared_with_backups,
    created_at: new Date().toISOString(),
  };
  writePoolRecord(places, record);
  return record;
}

/** The loop device of the image, attached if it is not. Direct I/O: else all is cached twice, and syncs wait twice. */
async function attach(places: PoolPlaces): Promise<string> {
  const stat = lstatSync(places.image);
  if (!stat.isFile() || stat.uid !== process.getuid?.()) {
    throw new CodedError({
      code: "helper.unsafe-path",
      title: `${places.image} is not root's own file`,
      exit: EX.NOPERM,
    });
  }
  const there = await loopOf(places.image);
  if (there !== undefined) return there;
  const flags = ["--find", "--show", "--nooverlap"];
  const direct = await exec(["losetup", ...flags, "--direct-io=on", places.image]);
  if (direct.code === 0) return direct.stdout.trim();
  log.warn("the image is used without direct I/O: slower, and all is cached twice", {
    why: direct.stderr.trim(),
  });
  return (await execOk(["losetup", ...flags, places.image])).trim();
}

export async function loopOf(image: string): Promise<string | undefined> {
  const { stdout } = await exec(["losetup", "--associated", image, "--noheadings", "--output", "NAME"]);
  return stdout.trim().split("\n")[0] || undefined;
}

async function deviceOf(places: PoolPlaces, record: PoolRecord): Promise<string> {
  if (record.mode === "device") {
    const { stdout } = await exec(["blkid", "--uuid", record.uuid]);
    const device = stdout.trim();
    if (device) return device;
    throw wrongUuid("nowhere to be found", record.uuid);
  }
  const fresh = `${places.image}.new`;
  if (!existsSync(places.image) && existsSync(fresh) && (await btrfsUuid(fresh)) === record.uuid)
    renameSync(fresh, places.image);
  if (!existsSync(places.image)) throw wrongUuid("nowhere to be found", record.uuid);
  return await attach(places);
}

function mountOptions(record: PoolRecord): string {
  const discard = { preallocated: ["nodiscard"], sparse: ["discard=async"], device: [] }[record.mode];
  const subvolume = record.subvolume === null ? [] : [`subvol=${record.subvolume}`];
  return ["noatime", "compress=zstd:1", "nosuid", "nodev", ...discard, ...subvolume].join(",");
}

/** Mounted already is fine. Errors: `storage.wrong-uuid`, `storage.no-quota-support`, and what mount says. */
export async function mountPool(places: PoolPlaces): Promise<PoolRecord> {
  const record = readPoolRecord(places);
  if (record === undefined) {
    throw new CodedError({
      code: "storage.no-pool",
      title: "This host has no pool",
      fix: "See what one would take: cocalc-project-host storage plan; make it: storage init.",
      exit: EX.UNAVAILABLE,
    });
  }
  if (!isMounted(places)) await mountNow(places, record);
  const found = withFd(places.pool, fsUuid);
  if (found !== record.uuid) throw wrongUuid(found, record.uuid);
  return await firstTime(places, record);
}

async function mountNow(places: PoolPlaces, record: PoolRecord): Promise<void> {
  const device = await deviceOf(places, record);
  const image = record.mode !== "device";
  try {
    const found = await btrfsUuid(device);
    if (found !== record.uuid) throw wrongUuid(found ?? "", record.uuid);
    mkdirSync(places.pool, { recursive: true, mode: 0o711 });
    // What is written while nothing is mounted would be hidden later: so nothing can be written.
    await exec(["chattr", "+i", places.pool]);
    if (record.subvolume !== null) await ensureSubvolume(device, record.subvolume);
    await execOk(["mount", "--no-mtab", "-t", "btrfs", "-o", mountOptions(record), device, places.pool]);
  } catch (error) {
    assertKernelKnows(device, record.uuid, error);
    throw error;
  } finally {
    // Frees itself with the unmount, whoever does that: no loop device is left behind.
    if (image) await exec(["losetup", "--detach", device]);
  }
  chmodSync(places.pool, 0o711);
}

/** The mount's own words are only of an unsupported feature. Error: `storage.no-quota-support`. */
function assertKernelKnows(device: string, uuid: string, cause: unknown): void {
  if (kernelKnowsSimpleQuotas() || !wasMadeWithSimpleQuotas(device)) return;
  throw new CodedError(
    {
      code: "storage.no-quota-support",
      title: "This kernel is too old for the pool that is here",
      why: `The file system ${uuid} keeps the disk limits of projects by simple quotas, which need Linux 6.7; this is ${release()}. Nothing was changed on it.`,
      fix: "Start a newer kernel (on Debian 12: linux-image-amd64 from bookworm-backports), or use the disk in a machine that has one.",
      exit: EX.UNAVAILABLE,
    },
    { cause },
  );
}

async function ensureSubvolume(device: string, name: string): Promise<void> {
  const temp = `/run/cocalc-adopt-${process.pid}`;
  mkdirSync(temp, { recursive: true, mode: 0o700 });
  await execOk(["mount", "--no-mtab", "-t", "btrfs", device, temp]);
  try {
    if (!existsSync(join(temp, name))) await execOk(["btrfs", "subvolume", "create", join(temp, name)]);
  } finally {
    await execOk(["umount", "--no-mtab", temp]);
    rmdirSync(temp);
  }
}

/** Quotas are switched on while nothing is there yet: what was written before would never be counted. */
async function firstTime(places: PoolPlaces, record: PoolRecord): Promise<PoolRecord> {
  if (record.counted !== "unknown") return record;
  const empty = !existsSync(join(places.pool, "projects"));
  const mode = await quotaMode(record.uuid);
  const simple =
    mode === "squota" ||
    (mode === undefined && empty && record.subvolume === null && withFd(places.pool, enableSimpleQuota));
  mkdirSync(join(places.pool, "projects"), { recursive: true, mode: 0o711 });
  const ready: PoolRecord = { ...record, counted: simple ? "simple" : "polled" };
  writePoolRecord(places, ready);
  return ready;
}

async function quotaMode(uuid: string): Promise<string | undefined> {
  const file = Bun.file(`/sys/fs/btrfs/${uuid}/qgroups/mode`);
  return (await file.exists()) ? (await file.text()).trim() : undefined;
}

/** Leaves neither mount, loop device nor mount point. Error: `storage.busy`. */
export async function unmountPool(places: PoolPlaces): Promise<boolean> {
  if (!isMounted(places)) return false;
  for (let tries = 0; isMounted(places); tries++) {
    const result = await exec(["umount", "--no-mtab", places.pool]);
    if (result.code === 0) continue;
    if (tries >= UNMOUNT_TRIES) {
      throw new CodedError({
        code: "storage.busy",
        title: "The pool cannot be unmounted",
        why: result.stderr.trim(),
        fix: `Something still uses it: see fuser --mount ${places.pool}.`,
        exit: EX.TEMPFAIL,
      });
    }
    await Bun.sleep(UNMOUNT_RETRY_MS);
  }
  await exec(["chattr", "-i", places.pool]);
  rmdirSync(places.pool);
  return true;
}
