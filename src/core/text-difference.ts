/** Where two texts differ, as replacements in the first: cursors and edits elsewhere in it stay where they are. */
import { diffArrays } from "diff";

export interface Replacement {
  from: number;
  to: number;
  insert: string;
}

/** Beyond this many lines that differ the whole stretch is replaced: the search costs their square. */
const MAX_EDITS = 500;

const isLow = (text: string, at: number) => {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
};

/** The one stretch in which they differ, never cut through a surrogate pair: half of one is no text. */
function stretch(before: string, after: string): Replacement {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  if (start > 0 && (isLow(before, start) || isLow(after, start))) start--;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  if (end > 0 && isLow(before, before.length - end)) end--;
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) };
}

/** Lines with their endings. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** In order, not overlapping; empty when the texts are the same. */
export function differences(before: string, after: string): Replacement[] {
  if (before === after) return [];
  const whole = stretch(before, after);
  // Whole lines are compared, so the stretch is widened to where its lines begin.
  const from = whole.from === 0 ? 0 : before.lastIndexOf("\n", whole.from - 1) + 1;
  const tail = before.indexOf("\n", whole.to);
  const to = tail < 0 ? before.length : tail + 1;
  const old = linesOf(before.slice(from, to));
  const now = linesOf(after.slice(from, after.length - (before.length - to)));
  if (old.length < 2 || now.length < 2) return [whole];
  const parts = diffArrays(old, now, { maxEditLength: MAX_EDITS });
  if (parts === undefined) return [whole];
  const found: Replacement[] = [];
  let at = from;
  let removed = "";
  let added = "";
  const flush = () => {
    if (removed !== added) {
      const part = stretch(removed, added);
      found.push({ from: at + part.from, to: at + part.to, insert: part.insert });
    }
    at += removed.length;
    removed = "";
    added = "";
  };
  for (const part of parts) {
    const text = part.value.join("");
    if (part.removed) removed += text;
    else if (part.added) added += text;
    else {
      flush();
      at += text.length;
    }
  }
  flush();
  return found;
}

/** The second text, made from the first. */
export function applyDifferences(before: string, changes: readonly Replacement[]): string {
  let text = "";
  let at = 0;
  for (const { from, to, insert } of changes) {
    text += before.slice(at, from) + insert;
    at = to;
  }
  return text + before.slice(at);
}
