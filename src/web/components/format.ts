const MINUTE = 60_000;
const DAY = 86_400_000;

/** “38 min ago” under seven days, the date beyond. */
export function ago(iso: string | null, now = Date.now()): string {
  if (iso === null) return "never";
  const ms = now - Date.parse(iso);
  if (ms < MINUTE) return "just now";
  if (ms < 60 * MINUTE) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / (60 * MINUTE))} h ago`;
  if (ms < 7 * DAY) return `${Math.floor(ms / DAY)} d ago`;
  return new Date(iso).toLocaleDateString();
}

/** Binary units, one decimal under 100. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 100 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Names are hostile text: what would hide or reorder is shown, as is white space at either end. */
export function visible(name: string): string {
  return name.replace(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|^\s+|\s+$/gu, (found) =>
    "␣".repeat(found.length),
  );
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** First letters of the first and last word; one sign where a script has no such thing as a letter's case. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  if (first.toLowerCase() === first.toUpperCase()) return first;
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toUpperCase();
}

/** A person's colour, of 360 degrees: the same for the same person everywhere. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
  return hash % 360;
}

/** Whether version `a` comes before `b`, by their three numbers; what follows those (a build's own mark) says nothing. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number)) as [
    number[],
    number[],
  ];
  const at = [0, 1, 2].find((index) => (left[index] ?? 0) !== (right[index] ?? 0));
  return at !== undefined && (left[at] ?? 0) < (right[at] ?? 0);
}
