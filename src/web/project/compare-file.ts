/** A file as it came out of a backup beside the one that is there now, byte for byte. */
import type { BackupEntry } from "../../contract/api-backups.ts";
import { filesUrl } from "../../contract/files-http.ts";
import { api } from "../api.ts";

export interface ComparedFile {
  path: string;
  bytes: number;
  same: boolean;
}

/** More is left to the hub's own drills. */
const MOST_BYTES = 8 * 2 ** 20;

const equal = (one: Uint8Array, two: Uint8Array): boolean =>
  one.length === two.length && one.every((byte, at) => byte === two[at]);

/** The first file worth it: one that a person made, with something in it, and not too much. Pure. */
export function fileToTry(entries: readonly BackupEntry[]): BackupEntry | undefined {
  const files = entries.filter((one) => one.type === "file" && one.size <= MOST_BYTES);
  const filled = files.filter((one) => one.size > 0);
  return filled.find((one) => !one.name.startsWith(".")) ?? filled[0] ?? files[0];
}

/** Fetches both. Throws what either answered. */
export async function compareFile(
  projectId: string,
  backupId: string,
  entry: BackupEntry,
): Promise<ComparedFile> {
  const then = new Uint8Array(await (await api.backups.file(projectId, backupId, entry.path)).arrayBuffer());
  const response = await fetch(filesUrl(projectId, "download", entry.path));
  if (!response.ok) throw new Error(`${entry.path}: ${response.status}`);
  const now = new Uint8Array(await response.arrayBuffer());
  return { path: entry.path, bytes: then.length, same: equal(then, now) };
}
