/** What becomes of a project that does not start, or does not stay up. */
import type { ProjectStatus } from "../../contract/host-control.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import type { Entry } from "./entry.ts";

/** Milliseconds before each further try of a start that nobody waits for. */
const RETRY_MS = [5_000, 20_000, 60_000, 120_000];
/** Deaths in a row after which a project is failed rather than started again. */
export const MAX_DEATHS = 5;
/** A project that ran this long has not died “in a row”. */
const STABLE_MS = 60_000;

/**
 * After a start that failed. One that a person asked for stays failed, and they are told why. One that comes with the
 * machine's own start, where much else is slow at the same time, is tried again: then this is what to tell meanwhile.
 */
export function retryStart(entry: Entry): Partial<ProjectStatus> | undefined {
  const wait = RETRY_MS[entry.failures];
  if (entry.asked || entry.record.desired !== "running" || wait === undefined) return undefined;
  entry.failures += 1;
  entry.notBefore = performance.now() + wait;
  return { state: "queued", phase: `did not start; tried again in ${wait / 1_000} s` };
}

/** Its processes ended by themselves while it ran. */
export function countDeath(entry: Entry): void {
  entry.deaths = Date.now() - entry.runningSince > STABLE_MS ? 1 : entry.deaths + 1;
}

/** `lines`: the end of its log. */
export function keepsDying(lines: readonly string[]): ProblemDetails {
  return {
    code: "project.keeps-dying",
    title: `The project ended by itself ${MAX_DEATHS} times in a row`,
    why: lines.slice(-5).join("\n") || "Its log is empty; perhaps it ran out of memory.",
    fix: "Give it more memory, or undo what it starts by itself; then start it again.",
  };
}
