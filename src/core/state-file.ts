import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { CodedError, EX, errnoOf, messageOf } from "./errors.ts";

/**
 * Writes a file so that a crash leaves the old content or the new, never a mixture: temp, fsync, rename,
 * fsync of the directory. `mode` 0600 unless said.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): void {
  const temp = `${path}.tmp-${process.pid}`;
  const fd = openSync(temp, "w", mode);
  try {
    writeSync(fd, typeof data === "string" ? Buffer.from(data) : data);
    fsyncSync(fd);
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

export function writeStateFile(path: string, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
