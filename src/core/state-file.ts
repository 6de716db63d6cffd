import {
  closeSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { CodedError, EX, errnoOf, messageOf } from "./errors.ts";

/**
 * Writes a file so that a crash leaves the old content or the new, never a mixture: temp, fsync, rename,
 * fsync of the directory. `mode` 0600 unless said; `owner`: whose it is from the moment it is there.
 */
export function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  mode = 0o600,
  owner?: { uid: number; gid: number },
): void {
  const temp = `${path}.tmp-${process.pid}`;
  // Left by a process that had the same pid, it may be one that cannot be written.
  rmSync(temp, { force: true });
  const fd = openSync(temp, "w", mode);
  try {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    // On a disk that becomes full a write may take a part, and say so in its result alone.
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temp, path);
  const dir = openSync(dirname(path), "r");
  try {
    fsyncSync(dir);
  } finally {
    closeSync(dir);
  }
}

/** A JSON state file; undefined when there is none. A corrupt one is kept aside and reported, never overwritten. */
export function readStateFile<T>(path: string, parse: (value: unknown) => T): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    const aside = `${path}.corrupt-${new Date().toISOString().replaceAll(":", "")}`;
    renameSync(path, aside);
    throw new CodedError(
      {
        code: "state.corrupt",
        title: `The state file ${path} cannot be read`,
        why: messageOf(error),
        fix: `It was kept as ${aside}. Restore it from a backup, or start again to make a new one.`,
        exit: EX.DATAERR,
      },
      { cause: error },
    );
  }
}

export function writeStateFile(path: string, value: unknown, owner?: { uid: number; gid: number }): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`, undefined, owner);
}
