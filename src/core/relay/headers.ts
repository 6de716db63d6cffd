/** Headers of a relay: what belongs to one hop stays there, both ways, also what `Connection` itself names. */
export type RawHeader = [name: string, value: string];
/** Name as it came → its values, in order. */
export type HeaderBag = Record<string, string | string[]>;

/** RFC 9110, 7.6.1, and what older agents send. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
]);

export function pairs(rawHeaders: readonly string[]): RawHeader[] {
  const list: RawHeader[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    list.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  return list;
}

/** Without what is this hop's alone. */
export function endToEnd(headers: readonly RawHeader[]): RawHeader[] {
  const named = new Set<string>();
  for (const [name, value] of headers) {
    if (name.toLowerCase() !== "connection") continue;
    for (const token of value.split(",")) named.add(token.trim().toLowerCase());
  }
  return headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !HOP_BY_HOP.has(key) && !named.has(key);
  });
}

/** As node:http takes them: repeated names become lists, the first spelling wins. */
export function toBag(headers: readonly RawHeader[]): HeaderBag {
  const spelling = new Map<string, string>();
  const bag: HeaderBag = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const known = spelling.get(key);
    if (known === undefined) {
      spelling.set(key, name);
      bag[name] = value;
      continue;
    }
    const before = bag[known] ?? "";
    bag[known] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return bag;
}

/** The `te: trailers` of this hop is answered by us; a body's framing that two readers could read differently is refused. */
export function smuggles(headers: readonly RawHeader[]): boolean {
  let length: string | undefined;
  let encoding = 0;
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (key === "content-length") {
      if (length !== undefined && length !== value) return true;
      if (!/^\d+$/.test(value.trim())) return true;
      length = value;
    }
    if (key === "transfer-encoding") {
      encoding += 1;
      if (value.trim().toLowerCase() !== "chunked") return true;
    }
  }
  return encoding > 1 || (encoding === 1 && length !== undefined);
}
