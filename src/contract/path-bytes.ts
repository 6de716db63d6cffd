/**
 * File names are bytes; JSON and URLs carry text. A byte that is no UTF-8 travels as the lone surrogate U+DC80 + (byte −
 * 0x80), as Python's `surrogateescape` has it: every name survives the way to the browser and back. In URLs the raw bytes
 * are percent-encoded.
 */
const FIRST_ESCAPE = 0xdc80;
const LAST_ESCAPE = 0xdcff;
const ESCAPED = /[\udc80-\udcff]/;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

const isEscape = (unit: number) => unit >= FIRST_ESCAPE && unit <= LAST_ESCAPE;

/** How many bytes the sequence that begins with this byte has; 0 when none begins so. */
function sequenceLength(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte >= 0xc2 && byte < 0xe0) return 2;
  if (byte >= 0xe0 && byte < 0xf0) return 3;
  if (byte >= 0xf0 && byte < 0xf5) return 4;
  return 0;
}

/** A name or path as text. */
export function pathText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    // Byte by byte below.
  }
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0;
    const length = sequenceLength(byte);
    let part: string | undefined;
    try {
      if (length > 0 && at + length <= bytes.length) part = strict.decode(bytes.subarray(at, at + length));
    } catch {
      // Not a whole sequence: this byte alone is escaped.
    }
    text += part ?? String.fromCharCode(FIRST_ESCAPE + byte - 0x80);
    at += part === undefined ? 1 : length;
  }
  return text;
}

/** The bytes that {@link pathText} was made from. */
export function pathBytes(text: string): Uint8Array {
  if (!ESCAPED.test(text)) return encoder.encode(text);
  const out: number[] = [];
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    const code = text.codePointAt(at) ?? unit;
    if (code === unit && isEscape(unit)) out.push(unit - FIRST_ESCAPE + 0x80);
    else out.push(...encoder.encode(String.fromCodePoint(code)));
    at += code > 0xffff ? 2 : 1;
  }
  return Uint8Array.from(out);
}

/** For system calls: the text itself wherever that says the same. */
export function sysPath(text: string): string | Buffer {
  return ESCAPED.test(text) ? Buffer.from(pathBytes(text)) : text;
}

/** A path inside a query: everything but unreserved characters and slashes is percent-encoded, byte by byte. */
export function encodePath(text: string): string {
  let out = "";
  for (const byte of pathBytes(text)) {
    const char = String.fromCharCode(byte);
    out += /[A-Za-z0-9._~/-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** undefined for a broken escape. */
export function decodePath(encoded: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at++) {
    const char = encoded[at] ?? "";
    if (char === "%") {
      const digits = encoded.slice(at + 1, at + 3);
      if (!/^[0-9a-f]{2}$/i.test(digits)) return undefined;
      bytes.push(Number.parseInt(digits, 16));
      at += 2;
    } else if (char === "+") bytes.push(0x20);
    else bytes.push(...encoder.encode(char));
  }
  return pathText(Uint8Array.from(bytes));
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
