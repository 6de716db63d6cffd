/**
 * Subjects with NATS's syntax: tokens joined by dots; in a pattern `*` stands for one token and a closing `>` for
 * one or more.
 */
import { CodedError } from "../core/errors.ts";

const MAX_SUBJECT_CHARS = 255;
const SUBJECT = /^[A-Za-z0-9_$:@=+-]+(\.[A-Za-z0-9_$:@=+-]+)*$/;
const PATTERN = /^(([A-Za-z0-9_$:@=+-]+|\*)(\.([A-Za-z0-9_$:@=+-]+|\*))*(\.>)?|>)$/;

export function isSubject(text: string): boolean {
  return text.length <= MAX_SUBJECT_CHARS && SUBJECT.test(text);
}

export function isPattern(text: string): boolean {
  return text.length <= MAX_SUBJECT_CHARS && PATTERN.test(text);
}

/** Throws `conat.bad-subject` (or for a pattern, the same). */
export function checkSubject(text: string, kind: "subject" | "pattern" = "subject"): string {
  if (kind === "subject" ? isSubject(text) : isPattern(text)) return text;
  throw new CodedError({
    code: "conat.bad-subject",
    title: `${JSON.stringify(text.slice(0, 80))} is no ${kind}`,
    why: "A subject is dot-separated tokens of letters, digits and _$:@=+-, at most 255 characters.",
    status: 400,
  });
}

/**
 * Whether a subject falls under a pattern.
 * @example matches("project.*.changed", "project.42.changed") // true
 */
export function matches(pattern: string, subject: string): boolean {
  return covers(pattern, subject);
}

/**
 * Whether every subject under `narrow` falls under `wide` too. A subject is a pattern without wildcards, so this
 * is {@link matches} as well; used to judge subscriptions: `project.A.>` gives no right to `project.>`.
 */
export function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === ">") return true;
  const a = wide.split(".");
  const b = narrow.split(".");
  for (let i = 0; i < a.length; i++) {
    const token = a[i]!;
    const other = b[i];
    if (token === ">") return other !== undefined;
    if (other === undefined || other === ">") return false;
    if (token !== "*" && token !== other) return false;
  }
  return a.length === b.length;
}

export function anyCovers(patterns: readonly string[], narrow: string): boolean {
  for (const pattern of patterns) if (covers(pattern, narrow)) return true;
  return false;
}
