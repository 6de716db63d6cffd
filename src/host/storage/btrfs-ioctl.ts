/**
 * What btrfs tells and does through ioctls that old btrfs-progs (6.2 on Debian 12) cannot: simple quotas, which subvolume
 * a path is in and when it last changed, subvolumes within one, and which bytes it holds. By bun:ffi, no compiler needed.
 * Layouts are those of linux/btrfs.h and linux/btrfs_tree.h, the same on x64 and arm64.
 */
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import { CodedError, EX } from "../../core/errors.ts";

const READ = 2n << 30n;
const WRITE = 1n << 30n;
const code = (direction: bigint, size: number, number: number) =>
  direction | (BigInt(size) << 16n) | (0x94n << 8n) | BigInt(number);
const IOC = {
  subvol_create: code(WRITE, 4096, 14),
  tree_search_v2: code(READ | WRITE, 112, 17),
  ino_lookup: code(READ | WRITE, 4096, 18),
  snap_create_v2: code(WRITE, 4096, 23),
  fs_info: code(READ, 1024, 31),
  quota_ctl: code(READ | WRITE, 16, 40),
  qgroup_assign: code(WRITE, 24, 41),
  qgroup_create: code(WRITE, 16, 42),
  subvol_info: code(READ, 504, 60),
} as const;
/** Simple quotas, Linux 6.7 and newer. */
const QUOTA_ENABLE_SIMPLE = 4n;
const ROOT_TREE = 1n;
const EXTENT_DATA = 108;
const ROOT_REF = 156;
const MAX = 2n ** 64n - 1n;
const SEARCH_BUFFER = 256 * 1024;
const RDONLY = 1n;

let library: ReturnType<typeof load> | undefined;
function load() {
  return dlopen("libc.so.6", {
    ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
    syscall: {
      args: [FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64],
      returns: FFIType.i64,
    },
    syncfs: { args: [FFIType.i32], returns: FFIType.i32 },
    __errno_location: { args: [], returns: FFIType.ptr },
  }).symbols;
}
function libc() {
  library ??= load();
  return library;
}
function errno(): number {
  const at = libc().__errno_location();
  return at === null ? 0 : read.i32(at, 0);
}

/** Throws `storage.ioctl-failed` with the errno; 25 (ENOTTY) says that it is no btrfs, or an old kernel. */
function control(fd: number, which: keyof typeof IOC, bytes: Uint8Array): void {
  if (libc().ioctl(fd, IOC[which], ptr(bytes)) >= 0) return;
  throw new CodedError({
    code: "storage.ioctl-failed",
    title: `The btrfs call ${which} failed with errno ${errno()}`,
    why: "It is no btrfs file system, the kernel is older than the call, or root is needed.",
    exit: EX.OSERR,
  });
}

/** Opens without following a link at the end; closed in any case. */
export function withFd<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

const uuidText = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

export async function withFdAsync<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/** The UUID of the btrfs file system that a directory is on. */
export function fsUuid(fd: number): string {
  const bytes = new Uint8Array(1024);
  control(fd, "fs_info", bytes);
  return uuidText(bytes.subarray(16, 32));
}

/** False where the kernel has no simple quotas. To be called right after mkfs: what was written before is not counted. */
export function enableSimpleQuota(fd: number): boolean {
  try {
    control(fd, "quota_ctl", new Uint8Array(new BigUint64Array([QUOTA_ENABLE_SIMPLE, 0n]).buffer));
    return true;
  } catch {
    return false;
  }
}

/** A new subvolume in an open directory: the `btrfs` command costs a process. Error: `storage.ioctl-failed`, as below. */
export function createSubvolume(dir: number, name: string): void {
  const bytes = new Uint8Array(4096);
  bytes.set(Buffer.from(name).subarray(0, 255), 8);
  control(dir, "subvol_create", bytes);
}

const EEXIST = 17;
const LEVEL_1 = 1n << 48n;

/**
 * Puts a subvolume into the quota group `1/<group>`, which is made if there is none; done again it is harmless. `pool`: an
 * open directory of the file system. Error: `storage.quota-failed`.
 */
export function joinGroup(pool: number, subvolume: number, group: number): void {
  const refuse = (which: "qgroup_create" | "qgroup_assign", values: bigint[]) => {
    const bytes = new Uint8Array(new BigUint64Array(values).buffer);
    if (libc().ioctl(pool, IOC[which], ptr(bytes)) >= 0) return;
    const number = errno();
    if (number === EEXIST) return;
    throw new CodedError({
      code: "storage.quota-failed",
      title: "A project's quota group could not be made",
      why: `The btrfs call ${which} failed with errno ${number}.`,
      exit: EX.OSERR,
    });
  };
  const id = LEVEL_1 | BigInt(group);
  refuse("qgroup_create", [1n, id]);
  refuse("qgroup_assign", [1n, BigInt(subvolume), id]);
}

export interface SubvolumeInfo {
  id: bigint;
  /** Transaction of the last change. */
  generation: bigint;
  /** Transaction that made it, of a snapshot. */
  made_at: bigint;
  readonly: boolean;
}

export function subvolumeInfo(fd: number): SubvolumeInfo {
  const bytes = new Uint8Array(504);
  control(fd, "subvol_info", bytes);
  const view = new DataView(bytes.buffer);
  return {
    id: view.getBigUint64(0, true),
    generation: view.getBigUint64(280, true),
    made_at: view.getBigUint64(352, true),
    readonly: (view.getBigUint64(288, true) & RDONLY) !== 0n,
  };
}

interface Item {
  objectid: bigint;
  type: number;
  offset: bigint;
  view: DataView;
}

/** Items of a tree from `from` on, as the kernel hands them out; yields a buffer's worth at a time, so that others run. */
async function* search(
  fd: number,
  tree: bigint,
  objectid: { min: bigint; max: bigint },
  type: { min: number; max: number },
): AsyncGenerator<Item> {
  const bytes = new Uint8Array(112 + SEARCH_BUFFER);
  const view = new DataView(bytes.buffer);
  let at = { objectid: objectid.min, type: type.min, offset: 0n };
  for (;;) {
    const key = [tree, at.objectid, objectid.max, at.offset, MAX, 0n, MAX];
    for (const [index, value] of key.entries()) view.setBigUint64(index * 8, value, true);
    view.setUint32(56, at.type, true);
    view.setUint32(60, type.max, true);
    view.setUint32(64, 0xffffffff, true);
    view.setBigUint64(104, BigInt(SEARCH_BUFFER), true);
    control(fd, "tree_search_v2", bytes);
    const count = view.getUint32(64, true);
    if (count === 0) return;
    let pos = 112;
    for (let n = 0; n < count; n++) {
      const item = {
        objectid: view.getBigUint64(pos + 8, true),
        offset: view.getBigUint64(pos + 16, true),
        type: view.getUint32(pos + 24, true),
      };
      const length = view.getUint32(pos + 28, true);
      yield { ...item, view: new DataView(bytes.buffer, pos + 32, length) };
      pos += 32 + length;
      at = item;
    }
    // The next key after the last one, in the order of the tree.
    if (at.offset < MAX) at = { ...at, offset: at.offset + 1n };
    else if (at.type < 255) at = { ...at, type: at.type + 1, offset: 0n };
    else at = { objectid: at.objectid + 1n, type: 0, offset: 0n };
    await Bun.sleep(0);
  }
}

/** Bytes on disk of all that these subvolumes refer to; what several share counts once. */
export async function bytesHeld(fd: number, subvolumes: readonly bigint[]): Promise<number> {
  const seen = new Set<bigint>();
  let total = 0;
  for (const id of subvolumes) {
    for await (const { type, view } of search(fd, id, { min: 256n, max: MAX }, { min: 0, max: 255 })) {
      if (type !== EXTENT_DATA || view.byteLength < 21) continue;
      if (view.getUint8(20) === 0) {
        total += view.byteLength - 21;
        continue;
      }
      const start = view.getBigUint64(21, true);
      // 0 is a hole.
      if (start === 0n || seen.has(start)) continue;
      seen.add(start);
      total += Number(view.getBigUint64(29, true));
    }
  }
  return total;
}

export interface Nested {
  id: bigint;
  /** Inode of the directory that it is in. */
  dir: bigint;
  name: Uint8Array;
}

/** Subvolumes directly within one: of a project, those that it made itself. */
export async function nestedIn(fd: number, subvolume: bigint): Promise<Nested[]> {
  const found: Nested[] = [];
  const only = { min: ROOT_REF, max: ROOT_REF };
  for await (const item of search(fd, ROOT_TREE, { min: subvolume, max: subvolume }, only)) {
    if (item.objectid !== subvolume || item.type !== ROOT_REF) continue;
    const length = item.view.getUint16(16, true);
    const name = new Uint8Array(item.view.buffer, item.view.byteOffset + 18, length).slice();
    found.push({ id: item.offset, dir: item.view.getBigUint64(0, true), name });
  }
  return found;
}

/** Path of a directory within its subvolume, as bytes with a `/` at the end; empty for the top. */
export function directoryPath(fd: number, subvolume: bigint, inode: bigint): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, subvolume, true);
  view.setBigUint64(8, inode, true);
  control(fd, "ino_lookup", bytes);
  return bytes.slice(16, bytes.indexOf(0, 16));
}

/** A snapshot of an open subvolume, as `name` in an open directory: no path is walked. */
export function snapshotInto(dir: number, name: Uint8Array, source: number): void {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(source), true);
  bytes.set(name.subarray(0, 255), 56);
  control(dir, "snap_create_v2", bytes);
}

const OPENAT2 = 437;
/** RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH */
const BENEATH = 0x02n | 0x04n | 0x08n;

/** Opens a directory below an open one; a link anywhere in the path, or `..`, is an error. The caller closes it. */
export function openBeneath(dir: number, path: Uint8Array): number {
  const text = new Uint8Array(path.length + 1);
  text.set(path);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | 0x80000;
  const how = new BigUint64Array([BigInt(flags), 0n, BENEATH]);
  const fd = Number(libc().syscall(OPENAT2, dir, ptr(text), ptr(new Uint8Array(how.buffer)), 24));
  if (fd >= 0) return fd;
  throw new CodedError({
    code: "storage.unsafe-path",
    title: `A folder in a project could not be opened (errno ${errno()})`,
    why: "It was moved, or a symbolic link took its place.",
    exit: EX.NOPERM,
  });
}

/** Returns once all that was written to the file system is on disk. */
export function syncFs(fd: number): void {
  if (libc().syncfs(fd) === 0) return;
  throw new CodedError({
    code: "storage.sync-failed",
    title: `Writing to disk what is in memory failed with errno ${errno()}`,
    why: "The disk reports errors, or the file system below an image is full.",
    fix: "See dmesg and the device's own statistics: cocalc-project-host storage status.",
    exit: EX.IOERR,
  });
}
