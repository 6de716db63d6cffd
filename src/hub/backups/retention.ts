/** Which backups are kept. Pure. */
import type { BackupTable } from "../db/schema.ts";

export interface Policy {
  hourly: number;
  daily: number;
  weekly: number;
  monthly: number;
}

/** `24h 7d 4w 6m` */
export function parsePolicy(text: string): Policy {
  const [, hourly = 24, daily = 7, weekly = 4, monthly = 6] =
    /^(\d+)h (\d+)d (\d+)w (\d+)m$/.exec(text)?.map(Number) ?? [];
  return { hourly, daily, weekly, monthly };
}

export function policyInWords({ hourly, daily, weekly, monthly }: Policy): string {
  return `${hourly} hourly, ${daily} daily, ${weekly} weekly, ${monthly} monthly`;
}

const DAY_MS = 86_400_000;
/** A failed attempt is shown for this long. */
const FAILED_MS = 7 * DAY_MS;

const week = (time: number) => String(Math.floor((time / DAY_MS + 3) / 7));
const SLOTS: [keyof Policy, (iso: string) => string][] = [
  ["hourly", (iso) => iso.slice(0, 13)],
  ["daily", (iso) => iso.slice(0, 10)],
  ["weekly", (iso) => week(Date.parse(iso))],
  ["monthly", (iso) => iso.slice(0, 7)],
];

type Kept = Pick<BackupTable, "backup_id" | "state" | "started_at" | "snapshot_id">;

/**
 * Those of one project that are not kept any more. Of each hour, day, week and month the newest stays, as many of each
 * as the policy says; a proven one is preferred to a partial one of the same time. The newest proven one always stays,
 * and so does the newest of all: nothing that can be restored goes before there is another.
 */
export function toForget(backups: readonly Kept[], policy: Policy, now: number): string[] {
  const newest = [...backups].sort((a, b) => b.started_at.localeCompare(a.started_at));
  const usable = newest.filter(
    (one) => one.snapshot_id !== null && (one.state === "proven" || one.state === "partial"),
  );
  const keep = new Set<string>();
  for (const [kind, slotOf] of SLOTS) {
    const slots = new Map<string, Kept>();
    for (const one of usable) {
      const slot = slotOf(one.started_at);
      const there = slots.get(slot);
      if (there === undefined) {
        if (slots.size < policy[kind]) slots.set(slot, one);
      } else if (there.state === "partial" && one.state === "proven") slots.set(slot, one);
    }
    for (const one of slots.values()) keep.add(one.backup_id);
  }
  const last = usable[0];
  if (last) keep.add(last.backup_id);
  const proven = usable.find((one) => one.state === "proven");
  if (proven) keep.add(proven.backup_id);
  return newest
    .filter((one) => {
      if (one.state === "running" || keep.has(one.backup_id)) return false;
      if (usable.includes(one)) return true;
      return now - Date.parse(one.started_at) > FAILED_MS;
    })
    .map((one) => one.backup_id);
}
