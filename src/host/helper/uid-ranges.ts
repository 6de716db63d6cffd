/** Which ids a project owns: 65,536 of its own, recorded for ever, never those of a user or of another project. */
import { CodedError, EX } from "../../core/errors.ts";

export const RANGE = 65_536;
/** Above what adduser, useradd and /etc/subuid hand out by default on a small machine (100000 + 65536). */
export const FIRST = 200_000;
/** Below 2^31, where some file systems and tools go wrong. */
const LAST = 2 ** 31 - 2 * RANGE;

/** Under this name the installer keeps our ranges in /etc/subuid, so that useradd gives none of them to a person. */
const RESERVED_FOR_US = "cocalc-projects";

export interface Span {
  first: number;
  count: number;
}

/** /etc/subuid and /etc/subgid, and the ids of the accounts themselves. */
export function takenSpans(subuid: string, passwd: string): Span[] {
  const spans: Span[] = [];
  for (const line of subuid.split("\n")) {
    const [name, first, count] = line.split(":");
    if (name === RESERVED_FOR_US) continue;
    if (first && count && /^\d+$/.test(first) && /^\d+$/.test(count))
      spans.push({ first: Number(first), count: Number(count) });
  }
  for (const line of passwd.split("\n")) {
    const id = line.split(":")[2];
    if (id && /^\d+$/.test(id)) spans.push({ first: Number(id), count: 1 });
  }
  return spans;
}

/** The lowest free base: 200000 + n × 65536 that touches nothing taken. `helper.no-uid-range` when all are. */
export function allocateBase(recorded: readonly number[], taken: readonly Span[]): number {
  const used = new Set(recorded);
  for (let base = FIRST; base <= LAST; base += RANGE) {
    if (used.has(base)) continue;
    if (taken.some(({ first, count }) => first < base + RANGE && base < first + count)) continue;
    return base;
  }
  throw new CodedError({
    code: "helper.no-uid-range",
    title: "No range of user ids is left for another project",
    fix: "Remove projects that are no longer used.",
    exit: EX.UNAVAILABLE,
  });
}
