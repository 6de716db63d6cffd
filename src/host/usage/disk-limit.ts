/** What is said with a project whose disk limit is nearly used up. Pure. */
import type { Usage } from "../../contract/storage.ts";
import type { ProblemDetails } from "../../core/errors.ts";

/** The part of its limit from which on a project is told. */
const NEARLY = 0.95;
export const DISK_FULL = "project.disk-full";

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export function judgeDisk(usage: Usage): ProblemDetails | null {
  const { quota_bytes: limit, used_bytes: used, held_bytes: held } = usage;
  if (limit === null || used < limit * NEARLY) return null;
  const kept = usage.counted === "simple";
  return {
    code: DISK_FULL,
    title:
      used >= limit ? "The project's disk limit is used up" : "The project's disk limit is nearly used up",
    why: `${gib(used)} of ${gib(limit)}, of which snapshots hold ${gib(held)}. ${
      kept
        ? "What goes beyond is refused with “Disk quota exceeded”."
        : "The kernel of its host keeps no limit (that needs Linux 6.7): this was counted, and uploads are refused."
    }`,
    fix: "Delete something, empty the trash, remove snapshots, or ask for a larger limit (Usage).",
  };
}
