/** Which line ending an editor must write back, so that saving a file changes nothing but what was typed. */

/**
 * `\r\n` only when every line ends so. Otherwise `\n`: a lone `\r` then stays a character of its line and comes
 * back out where it was.
 */
export function lineEnding(text: string): "\n" | "\r\n" {
  const pairs = text.split("\r\n").length - 1;
  if (pairs === 0) return "\n";
  const feeds = text.split("\n").length - 1;
  const returns = text.split("\r").length - 1;
  return pairs === feeds && pairs === returns ? "\r\n" : "\n";
}

export interface Replacement {
  from: number;
  to: number;
  insert: string;
}

/** The one stretch in which two texts differ; undefined when they are the same. The cursor stays where it was. */
export function difference(before: string, after: string): Replacement | undefined {
  if (before === after) return undefined;
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) };
}
