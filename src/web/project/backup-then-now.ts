/** A folder as a backup has it, beside the folder as it is. */
import type { BackupEntry } from "../../contract/api-backups.ts";
import type { Compared } from "./snapshots-model.ts";

/** What is there now. times in ms since 1970. */
export interface NowEntry {
  name: string;
  type: string;
  size: number;
  mtime: number;
}

const MINUTE_MS = 60_000;

/**
 * By kind, size and time of change; a backup's list knows the minute alone. What is in a folder is seen when it is
 * opened. `undefined` while what is there now is not known. Pure.
 */
export function thenAndNow(entry: BackupEntry, now: readonly NowEntry[] | undefined): Compared | undefined {
  if (now === undefined) return undefined;
  const there = now.find((one) => one.name === entry.name);
  if (there === undefined) return { tone: "gone", text: "deleted since" };
  const isDir = there.type === "directory";
  if ((entry.type === "dir") !== isDir) return { tone: "changed", text: "something else" };
  if (entry.type === "dir") return { tone: "same", text: "there" };
  const minute = (ms: number) => Math.floor(ms / MINUTE_MS);
  const sameTime =
    entry.modified_at === null || minute(Date.parse(entry.modified_at)) === minute(there.mtime);
  return entry.size === there.size && sameTime
    ? { tone: "same", text: "same" }
    : { tone: "changed", text: "changed" };
}
