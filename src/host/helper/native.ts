/**
 * The few kernel calls that no tool of util-linux 2.38 offers: an idmapped read-only view of a tree, and who is at
 * the other end of a unix socket. By bun:ffi, so that no C compiler is needed anywhere.
 */
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv } from "../../core/exec.ts";

/** open_tree, move_mount and mount_setattr have the same numbers on x64 and arm64 (unified since Linux 5.2). */
const SYS = { open_tree: 428, move_mount: 429, mount_setattr: 442 } as const;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0x80000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_IDMAP = 0x100000n;
const MOUNT_ATTR_RDONLY = 1n;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

const i64 = FFIType.i64;
let library: ReturnType<typeof load> | undefined;

function load() {
  return dlopen("libc.so.6", {
    syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 },
    getsockopt: {
      args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
      returns: FFIType.i32,
    },
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

function failed(what: string): CodedError {
  return new CodedError({
    code: "helper.mount-failed",
    title: `${what} failed with errno ${errno()}`,
    why: "An idmapped view of the image needs Linux 5.12 and a file system that allows it (ext4, xfs, btrfs).",
    fix: "Run uname -r and df -T on the data directory; move it to such a file system.",
    exit: EX.OSERR,
  });
}

function call(what: string, number: number, ...args: (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = args;
  const result = Number(libc().syscall(number, a, b, c, d, e));
  if (result < 0) throw failed(what);
  return result;
}

function address(bytes: Uint8Array): bigint {
  return BigInt(ptr(bytes));
}

const cstring = (text: string) => Buffer.from(`${text}\0`);

/** The uid of whoever connected to a unix socket, as the kernel noted it at connect. */
export function peerUid(fd: number): number {
  const cred = new Uint8Array(12);
  const size = new Uint32Array([12]);
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(cred), ptr(size)) !== 0) throw failed("SO_PEERCRED");
  return new DataView(cred.buffer).getUint32(4, true);
}

/** `count` ids from `disk` on, as the files have them, are seen as those from `seen` on. */
export interface IdMap {
  disk: number;
  seen: number;
  count: number;
}

/** A user namespace with this map, as an open file; its process is gone when this returns. */
async function userNamespace({ disk, seen, count }: IdMap): Promise<number> {
  // `cat` waits for its stdin, so it lives until the maps are written.
  const proc = Bun.spawn(["unshare", "--user", "cat"], {
    cwd: "/",
    env: cleanEnv(),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    // An echo through cat proves that unshare is done.
    proc.stdin.write("x");
    await proc.stdin.flush();
    await proc.stdout.getReader().read();
    for (const map of ["uid_map", "gid_map"])
      writeFileSync(`/proc/${proc.pid}/${map}`, `${disk} ${seen} ${count}\n`);
    return openSync(`/proc/${proc.pid}/ns/user`, "r");
  } finally {
    proc.kill("SIGKILL");
    await proc.exited;
  }
}

/** Mounts at `target` a read-only view of `source` in which ids 0… are `base`… (about 10 ms). */
export async function mountIdmapped(
  source: string,
  target: string,
  base: number,
  count: number,
): Promise<void> {
  await mountView(source, target, { disk: 0, seen: base, count }, false);
}

/** Mounts at `target` a view of `source` with other ids, which can be written to where asked for. */
export async function mountView(
  source: string,
  target: string,
  map: IdMap,
  writable: boolean,
): Promise<void> {
  mkdirSync(target, { recursive: true, mode: 0o711 });
  const ns = await userNamespace(map);
  let tree = -1;
  try {
    const from = cstring(source);
    const to = cstring(target);
    const empty = cstring("");
    const attributes = new BigUint64Array([
      writable ? MOUNT_ATTR_IDMAP : MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
      0n,
      0n,
      BigInt(ns),
    ]);
    tree = call("open_tree", SYS.open_tree, AT_FDCWD, address(from), OPEN_TREE_CLONE | O_CLOEXEC);
    call(
      "mount_setattr",
      SYS.mount_setattr,
      tree,
      address(empty),
      AT_EMPTY_PATH,
      address(new Uint8Array(attributes.buffer)),
      32,
    );
    call("move_mount", SYS.move_mount, tree, address(empty), AT_FDCWD, address(to), MOVE_MOUNT_F_EMPTY_PATH);
  } finally {
    if (tree >= 0) closeSync(tree);
    closeSync(ns);
  }
}
