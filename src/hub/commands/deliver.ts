/** When a command is sent to its machine, what comes before, and what is made of an answer. Pure. */
import type { Operation } from "../../contract/api.ts";
import type { HostCommandTable } from "../db/schema.ts";

/** Sent, and not answered: a machine that lives answers within its link's own time limit. */
export const SENT_LEASE_MS = 30_000;
/** Under way: it tells by itself; asked again only in case that was lost. */
export const RUNNING_LEASE_MS = 60_000;
/** Answers that were no answers, one after the other, from a machine whose link is up. */
export const MAX_UNTAKEN = 10;

/** A machine that went away after its backups, and comes back later than this, is backed up once more. */
const BACKUPS_COUNT_MS = 30 * 60_000;

type Row = Pick<HostCommandTable, "state" | "finished_at" | "lease_until" | "attempts">;

/** `now`: ISO. */
export function judgeDelivery(row: Row, at: { connected: boolean; now: string }): "send" | "wait" | "over" {
  if (row.finished_at !== null) return "over";
  // A machine that is away costs nothing: it gets it when it comes back.
  if (!at.connected) return "wait";
  if (row.lease_until === null || row.lease_until <= at.now) return "send";
  // Given while the clock was ahead: no lease is that long.
  return Date.parse(row.lease_until) - Date.parse(at.now) > RUNNING_LEASE_MS ? "send" : "wait";
}

/**
 * What is to be done about the backups before an upgrade. `made`: the operation that makes them, if it was begun.
 * `ready`: they are made, or none are wanted; `again`: they do not count any more.
 */
export function judgeBackups(
  row: Pick<HostCommandTable, "kind" | "state" | "without_backups">,
  at: {
    made: Pick<Operation, "state" | "problem" | "finished_at"> | undefined;
    connected: boolean;
    now: number;
  },
): "ready" | "begin" | "wait" | "again" | "fail" {
  const { made } = at;
  if (row.kind !== "upgrade" || row.without_backups === 1 || row.state === "running") return "ready";
  if (made === undefined) return at.connected ? "begin" : "wait";
  if (made.state === "pending" || made.state === "running") return "wait";
  if (made.state !== "done") return !at.connected || made.problem?.code === "host.away" ? "again" : "fail";
  return at.now - Date.parse(made.finished_at ?? "") <= BACKUPS_COUNT_MS ? "ready" : "again";
}

/**
 * A machine that knows no commands: too old to be told, unless it got there by the very command. `runs` is what it last
 * reported of itself.
 */
export function judgeUnknowing(
  row: Pick<HostCommandTable, "state" | "kind" | "version" | "from_version">,
  runs: string | null,
): "too-old" | "done" | "failed" {
  if (row.state !== "running") return "too-old";
  if (row.kind === "rollback") return runs !== null && runs !== row.from_version ? "done" : "failed";
  return row.version !== null && runs === row.version ? "done" : "failed";
}
