/** What the snapshots page shows, as functions of what it knows. */
import type { Change } from "../../contract/project-services/snapshots.ts";
import type { Snapshot } from "../../contract/storage.ts";

export const KIND_WORDS: Record<Snapshot["kind"], string> = {
  schedule: "by schedule",
  manual: "by hand, kept",
  safety: "before a restore",
  backup: "while a backup runs",
};

/** “Today”, “Yesterday”, or the date, in the reader's zone. */
export function dayOf(iso: string, now: Date): string {
  const day = new Date(iso).toDateString();
  if (day === now.toDateString()) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (day === yesterday.toDateString()) return "Yesterday";
  return new Date(iso).toLocaleDateString();
}

/** Newest first, in groups of a day. */
export function byDay(snapshots: readonly Snapshot[], now: Date): { day: string; snapshots: Snapshot[] }[] {
  const groups: { day: string; snapshots: Snapshot[] }[] = [];
  for (const one of snapshots) {
    const day = dayOf(one.name, now);
    const last = groups.at(-1);
    if (last?.day === day) last.snapshots.push(one);
    else groups.push({ day, snapshots: [one] });
  }
  return groups;
}

export interface Compared {
  tone: "same" | "changed" | "gone";
  text: string;
}

/** An entry of a folder as it was, compared with now. `undefined` while that is not known. */
export function compared(name: string, changes: readonly Change[] | undefined): Compared | undefined {
  if (changes === undefined) return undefined;
  const own = changes.find((one) => one.path === name);
  if (own?.kind === "removed") return { tone: "gone", text: "deleted since" };
  if (own !== undefined) return { tone: "changed", text: "changed" };
  const below = changes.filter((one) => one.path.startsWith(`${name}/`)).length;
  return below === 0
    ? { tone: "same", text: "same" }
    : { tone: "changed", text: `${below} ${below === 1 ? "difference" : "differences"}` };
}

/** Of a folder: what is there now and was not. */
export function newSince(changes: readonly Change[]): string[] {
  return changes.filter((one) => one.kind === "added" && !one.path.includes("/")).map((one) => one.path);
}
