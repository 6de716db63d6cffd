/** Which projects are to be backed up now. Pure. */
import { createHash } from "node:crypto";
import type { BackupTable, ProjectTable } from "../db/schema.ts";
import { DATA_LOST } from "./heal.ts";

/** After a failure it is tried again sooner than the next turn, and less and less often. */
const RETRY_MS = 5 * 60_000;
/** Of the interval, over which projects are spread: two hundred hosts do not come at the full hour. */
const SPREAD = 0.2;

/** What is further ahead was written while the clock was wrong. */
export const AHEAD_MS = 5 * 60_000;

/** Times in the database are the hub's; one that has not come yet says nothing of when that was. Pure. */
export const isAhead = (iso: string, now: number): boolean => Date.parse(iso) > now + AHEAD_MS;

/** Whether it is so long ago; also where nobody can tell. Pure. */
export const isLongAgo = (iso: string, ms: number, now: number): boolean =>
  now - Date.parse(iso) >= ms || isAhead(iso, now);

type Past = Pick<BackupTable, "state" | "started_at"> & { problem?: BackupTable["problem"] };
type Subject = Pick<ProjectTable, "project_id" | "state" | "state_since" | "last_used_at" | "host_id">;

/** 0…1, the same for a project each time. */
export function place(projectId: string): number {
  return createHash("sha256").update(projectId).digest().readUInt32BE(0) / 2 ** 32;
}

/** Whether something can have changed since: what did not run since then has not changed. */
export function changedSince(project: Subject, iso: string): boolean {
  return project.state !== "stopped" || project.state_since > iso || (project.last_used_at ?? "") > iso;
}

/** `past` newest first. */
export function isDue(project: Subject, past: readonly Past[], everyMinutes: number, now: number): boolean {
  if (everyMinutes === 0 || project.host_id === null) return false;
  if (!["running", "stopped", "failed"].includes(project.state)) return false;
  // Nothing ever ran in it: there is nothing to lose.
  if (project.last_used_at === null) return false;
  // A clock that was ahead must not keep anybody waiting until its time has come.
  const known = past.filter((one) => !isAhead(one.started_at, now));
  if (known[0]?.state === "running") return false;
  const failures = known.findIndex((one) => one.state !== "failed");
  const failed = failures < 0 ? known.length : failures;
  const every = everyMinutes * 60_000;
  if (failed > 0) {
    const wait = Math.min(every, RETRY_MS * 2 ** (failed - 1));
    return now - Date.parse(known[0]?.started_at ?? "") >= wait;
  }
  const last = known[0];
  if (last === undefined) return true;
  // What it relied on is gone: the project still has it.
  if (last.problem?.includes(DATA_LOST)) return true;
  if (!changedSince(project, last.started_at)) return false;
  return now - Date.parse(last.started_at) >= every * (1 - SPREAD * place(project.project_id));
}
