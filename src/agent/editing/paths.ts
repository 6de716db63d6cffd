/** Where the histories of edited files lie; loads nothing of Yjs, for the agent looks here at its start. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import type { Surroundings } from "../child-env.ts";

const MARK = ".unsaved";

/** Never in a folder that is somebody's work: a project that is a folder of somebody's own has its part of their home. */
export function editingDir({ home, user_home, alone }: Surroundings): string {
  const dir = `${user_home}/.local/share/cocalc/editing`;
  return alone ? dir : `${dir}/${hash(home).slice(0, 16)}`;
}

export const hash = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");

/** Of a file with this path, whose links are followed. */
export const logFile = (dir: string, path: string): string => `${dir}/${hash(path).slice(0, 32)}`;

export const unsavedMark = (log: string): string => `${log}${MARK}`;

/** Logs with more in them than in their files: an earlier agent was killed, or could not write. */
export function unsavedLogs(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith(MARK))
    .map((name) => `${dir}/${name.slice(0, -MARK.length)}`);
}
