/**
 * Which scheduled snapshots go: every quarter of an hour one is taken if something changed, and with age fewer are
 * kept. Those that a person made stay until a person removes them; one from before a restore stays a week.
 */
import type { Snapshot } from "../../contract/storage.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const SNAPSHOT_EVERY_MS = 15 * MINUTE;
const SAFETY_MS = 7 * DAY;
/** A backup that still reads its snapshot after this has died. */
const BACKUP_MS = 2 * DAY;

/** Of each span of `every`, the oldest is kept for as long as it is younger than `for`. */
const STEPS = [
  { every: 15 * MINUTE, for: 4 * HOUR },
  { every: DAY, for: 7 * DAY },
  { every: 7 * DAY, for: 35 * DAY },
  { every: 30 * DAY, for: 180 * DAY },
];

/** Names to be removed, at `now`. */
export function expired(snapshots: readonly Pick<Snapshot, "name" | "kind">[], now: number): string[] {
  const keep = new Set<string>();
  const scheduled = snapshots
    .filter((one) => one.kind === "schedule")
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const step of STEPS) {
    let span = Number.NaN;
    for (const { name } of scheduled) {
      const time = Date.parse(name);
      const its = Math.floor(time / step.every);
      if (its === span) continue;
      span = its;
      if (now - time <= step.for) keep.add(name);
    }
  }
  // However old: the last one is what there is to go back to.
  const newest = scheduled.at(-1);
  if (newest !== undefined) keep.add(newest.name);
  return snapshots
    .filter(({ name, kind }) => {
      const age = now - Date.parse(name);
      if (kind === "schedule") return !keep.has(name);
      if (kind === "safety") return age > SAFETY_MS;
      return kind === "backup" && age > BACKUP_MS;
    })
    .map(({ name }) => name);
}
