/** Subvolumes and snapshots of one btrfs file system, those included that a project made within its own. */
import { closeSync, constants, lstatSync, openSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { execOk } from "../../core/exec.ts";
import {
  directoryPath,
  type Nested,
  nestedIn,
  openBeneath,
  snapshotInto,
  subvolumeInfo,
  withFd,
} from "./btrfs-ioctl.ts";

/** Deleting or snapshotting waits for a transaction, which waits for the disk. */
const BTRFS_TIMEOUT_MS = 120_000;
/** A project that makes more subvolumes than this has the others left out, and is told so. */
const MAX_NESTED = 64;
/** btrfs shows the place of a subvolume in a snapshot as an empty directory with this inode. */
const PLACEHOLDER_INODE = 2n;

export async function btrfs(...args: string[]): Promise<string> {
  return await execOk(["btrfs", ...args], { timeout: BTRFS_TIMEOUT_MS });
}

const openDir = (path: string) =>
  openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY);

const ascii = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");

export const subvolumeAt = (path: string) => withFd(path, subvolumeInfo);

/** All below one, deepest first, by id. */
export async function allNested(fd: number, subvolume: bigint): Promise<bigint[]> {
  const ids: bigint[] = [];
  for (const one of await nestedIn(fd, subvolume)) ids.push(...(await allNested(fd, one.id)), one.id);
  return ids;
}

/** Newest change in a subvolume and in all within it. */
export async function lastChange(path: string): Promise<bigint> {
  const fd = openDir(path);
  try {
    const { id, generation } = subvolumeInfo(fd);
    let newest = generation;
    const visit = async (parentFd: number, parent: bigint): Promise<void> => {
      for (const one of await nestedIn(fd, parent)) {
        const child = openNested(parentFd, parent, one);
        if (child === undefined) continue;
        try {
          const info = subvolumeInfo(child);
          if (info.generation > newest) newest = info.generation;
          await visit(child, one.id);
        } finally {
          closeSync(child);
        }
      }
    };
    await visit(fd, id);
    return newest;
  } finally {
    closeSync(fd);
  }
}

/** Never by a path that a project could bend: its directory is asked for by number, and walked without links. */
function openNested(parentFd: number, parent: bigint, one: Nested): number | undefined {
  try {
    const dir = directoryPath(parentFd, parent, one.dir);
    const child = openBeneath(parentFd, Buffer.concat([dir, one.name]));
    if (subvolumeInfo(child).id === one.id) return child;
    // Another one was put there meanwhile.
    closeSync(child);
    return undefined;
  } catch {
    return undefined;
  }
}

/**
 * Puts snapshots of what is nested in `source` into the empty places that a fresh writable snapshot has for them.
 * Returns the paths that could not be taken in.
 */
async function coverNested(source: number, target: number): Promise<string[]> {
  const left: string[] = [];
  let budget = MAX_NESTED;
  const visit = async (from: number, to: number, above: string): Promise<void> => {
    const { id } = subvolumeInfo(from);
    const targetId = subvolumeInfo(to).id;
    for (const one of await nestedIn(from, id)) {
      let name = join(above, ascii(one.name));
      budget -= 1;
      const child = budget < 0 ? undefined : openNested(from, id, one);
      let place: number | undefined;
      try {
        // Where it is in the snapshot, which nobody changes: not where it is by now.
        const dir = directoryPath(to, targetId, one.dir);
        name = join(above, ascii(dir), ascii(one.name));
        if (child === undefined) throw new Error("gone or too many");
        place = dir.length === 0 ? openBeneath(to, Buffer.from(".")) : openBeneath(to, dir.subarray(0, -1));
        const path = `/proc/self/fd/${place}/${ascii(one.name)}`;
        if (lstatSync(path, { bigint: true }).ino !== PLACEHOLDER_INODE) throw new Error("no placeholder");
        rmdirSync(path);
        snapshotInto(place, one.name, child);
        const made = openBeneath(place, one.name);
        try {
          await visit(child, made, name);
        } finally {
          closeSync(made);
        }
      } catch {
        left.push(name);
      } finally {
        if (child !== undefined) closeSync(child);
        if (place !== undefined) closeSync(place);
      }
    }
  };
  await visit(source, target, "");
  return left;
}

/** A snapshot of `source` at `target`, nested subvolumes taken in; read-only unless `writable`. */
export async function snapshotTree(source: string, target: string, writable: boolean): Promise<string[]> {
  const from = openDir(source);
  try {
    const nested = (await nestedIn(from, subvolumeInfo(from).id)).length > 0;
    await btrfs("subvolume", "snapshot", ...(writable || nested ? [] : ["-r"]), source, target);
    if (!nested) return [];
    const to = openDir(target);
    let left: string[];
    try {
      left = await coverNested(from, to);
      if (!writable) await setReadonly(to, target, true);
    } finally {
      closeSync(to);
    }
    return left;
  } finally {
    closeSync(from);
  }
}

/** The nested ones first: the outer one's being read-only says that the snapshot is complete. */
async function setReadonly(fd: number, path: string, readonly: boolean): Promise<void> {
  const value = readonly ? "true" : "false";
  const visit = async (at: number): Promise<void> => {
    const { id } = subvolumeInfo(at);
    for (const one of await nestedIn(at, id)) {
      const child = openNested(at, id, one);
      if (child === undefined) continue;
      try {
        if (readonly) await visit(child);
        await btrfs("property", "set", "-ts", `/proc/${process.pid}/fd/${child}`, "ro", value);
        if (!readonly) await visit(child);
      } finally {
        closeSync(child);
      }
    }
  };
  if (readonly) await visit(fd);
  await btrfs("property", "set", "-ts", path, "ro", value);
  if (!readonly) await visit(fd);
}

/** Deletes a subvolume and all within it. `pool` is where the file system is mounted. */
export async function deleteTree(pool: string, path: string): Promise<void> {
  const fd = openDir(path);
  try {
    const { id, readonly } = subvolumeInfo(fd);
    const nested = await allNested(fd, id);
    if (nested.length > 0) {
      // What lies in a read-only subvolume cannot be taken out of it.
      if (readonly) await setReadonly(fd, path, false);
      for (const one of nested) await btrfs("subvolume", "delete", "--subvolid", String(one), pool);
    }
  } finally {
    closeSync(fd);
  }
  await btrfs("subvolume", "delete", path);
}
