/** What could hold a pool: the file system of the data directory, or a partition or disk that was named. Reads only. */
import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { exec, execOk } from "../../core/exec.ts";

export interface DirectoryTarget {
  kind: "directory";
  path: string;
  /** ext4, xfs, btrfs, tmpfs … */
  fs_type: string;
  total_bytes: number;
  free_bytes: number;
  /** What an image there occupies already. */
  held_bytes: number;
  /** The hub's own directory is on the same file system. */
  shared_with_backups: boolean;
}

export interface DeviceTarget {
  kind: "device";
  path: string;
  bytes: number;
  /** What is on it: a file system's type, `partitions`, or null. */
  holds: string | null;
  /** Of what it holds. */
  uuid: string | null;
  /** Where it is mounted or what uses it. */
  used_by: string | null;
}

export type Target = DirectoryTarget | DeviceTarget;

const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

export async function directoryTarget(
  storage: string,
  image: string,
  hubDirs: string[],
): Promise<DirectoryTarget> {
  const path = existing(storage);
  const fs = await statfs(path);
  const device = statSync(path).dev;
  const type = await exec(["stat", "--file-system", "--format=%T", path]);
  return {
    kind: "directory",
    path,
    fs_type: type.stdout.trim().replace("ext2/ext3", "ext4"),
    total_bytes: fs.blocks * fs.bsize,
    free_bytes: fs.bavail * fs.bsize,
    held_bytes: existsSync(image) ? lstatSync(image).blocks * 512 : 0,
    shared_with_backups: hubDirs.some((dir) => existsSync(dir) && statSync(dir).dev === device),
  };
}

async function blkid(path: string, tag: string): Promise<string | null> {
  // -p reads the device itself, not what was true at some time before.
  const { stdout } = await exec(["blkid", "--probe", "--output", "value", "--match-tag", tag, path]);
  return stdout.trim() || null;
}

async function hasPartitions(path: string): Promise<boolean> {
  const { stdout } = await exec(["lsblk", "--noheadings", "--raw", "--output", "NAME", path]);
  return stdout.trim().split("\n").length > 1;
}

/** What the kernel says that uses a device or a partition of it. */
async function usedBy(path: string): Promise<string | null> {
  const { stdout } = await exec(["lsblk", "--noheadings", "--raw", "--output", "NAME,MOUNTPOINT", path]);
  for (const line of stdout.trim().split("\n")) {
    const [name, mountpoint] = line.split(" ");
    if (mountpoint) return `${name} is mounted on ${mountpoint}`;
  }
  const holders = `/sys/class/block/${basename(path)}/holders`;
  const { stdout: held } = await exec(["ls", holders]);
  return held.trim() ? `it is part of ${held.trim().split("\n").join(", ")}` : null;
}

/** Errors: `storage.no-device`. */
export async function deviceTarget(named: string): Promise<DeviceTarget> {
  const bad = (why: string) =>
    new CodedError({
      code: "storage.no-device",
      title: `${named} cannot hold a pool`,
      why,
      fix: "Name a partition or a disk; lsblk lists them.",
      exit: EX.NOINPUT,
    });
  if (!existsSync(named)) throw bad("There is no such file.");
  // /dev/disk/by-id/… are links: a person names them, not a project.
  const path = realpathSync(named);
  if (!statSync(path).isBlockDevice()) throw bad("It is no block device.");
  const { stdout } = await exec(["blockdev", "--getsize64", path]);
  // All that is on it, also where blkid would call it ambiguous.
  const signatures = (await execOk(["wipefs", "--no-act", "--noheadings", "--output", "TYPE", path])).trim();
  const types = [...new Set(signatures.split(/\s+/).filter(Boolean))];
  return {
    kind: "device",
    path,
    bytes: Number(stdout.trim()),
    holds: types.join(" and ") || ((await hasPartitions(path)) ? "partitions" : null),
    uuid: await blkid(path, "UUID"),
    used_by: await usedBy(path),
  };
}

/** UUID of the btrfs file system on a device or in an image; null when it is none. */
export async function btrfsUuid(path: string): Promise<string | null> {
  return (await blkid(path, "TYPE")) === "btrfs" ? await blkid(path, "UUID") : null;
}

/** Whether the kernel can make and mount btrfs. */
export function missingForBtrfs(): string | null {
  for (const [program, pkg] of [
    ["mkfs.btrfs", "btrfs-progs"],
    ["btrfs", "btrfs-progs"],
    ["losetup", "mount"],
    ["fallocate", "util-linux"],
  ] as const) {
    if (Bun.which(program, { PATH: "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin" }) === null)
      return `${program} is missing (package ${pkg})`;
  }
  const known = readFileSync("/proc/filesystems", "utf8").includes("\tbtrfs\n");
  if (known || Bun.spawnSync(["modprobe", "--dry-run", "btrfs"], { cwd: "/" }).exitCode === 0) return null;
  return "this kernel has no btrfs";
}
