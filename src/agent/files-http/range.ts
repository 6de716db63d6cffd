/** Which part of a file a request asks for (RFC 9110, 14). Pure. */
export interface Asked {
  range: string | undefined;
  ifRange: string | undefined;
  ifNoneMatch: string | undefined;
}
export interface Version {
  size: number;
  /** Quoted, strong. */
  etag: string;
  /** As `Last-Modified` has it. */
  modified: string;
}
export type Part =
  | { status: 200; start: number; end: number }
  | { status: 206; start: number; end: number }
  | { status: 304 }
  | { status: 416 };

/** `end` is exclusive. Several ranges at once, and what is no range, are answered with the whole, as the RFC allows. */
export function partOf(asked: Asked, file: Version): Part {
  const known = asked.ifNoneMatch?.split(",").map((one) => one.trim().replace(/^W\//, ""));
  if (known && (known.includes(file.etag) || known.includes("*"))) return { status: 304 };
  const whole: Part = { status: 200, start: 0, end: file.size };
  if (asked.range === undefined) return whole;
  // The part would not fit to what the client has of another version.
  if (asked.ifRange !== undefined && asked.ifRange !== file.etag && asked.ifRange !== file.modified)
    return whole;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(asked.range.trim());
  if (!match || (match[1] === "" && match[2] === "")) return whole;
  const first = match[1] === "" ? undefined : Number(match[1]);
  const last = match[2] === "" ? undefined : Number(match[2]);
  if (first === undefined) {
    if (last === 0 || file.size === 0) return { status: 416 };
    return { status: 206, start: Math.max(0, file.size - (last ?? 0)), end: file.size };
  }
  if (last !== undefined && last < first) return whole;
  if (first >= file.size) return { status: 416 };
  return { status: 206, start: first, end: Math.min(file.size, (last ?? file.size) + 1) };
}
