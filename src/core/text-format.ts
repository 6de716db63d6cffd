/** Text as it lies in a file: which bytes surround and end its lines, so that saving changes nothing but what was typed. */

export interface TextFormat {
  /** The file begins with a byte order mark. */
  bom: boolean;
  ending: "\n" | "\r\n";
}

const BOM = "\ufeff";
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

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

/**
 * The text without mark, its lines ended by `\n`; undefined for what is no text. NUL is valid UTF-8, and the surest
 * sign of a binary.
 */
export function decodeText(bytes: Uint8Array): { text: string; format: TextFormat } | undefined {
  if (bytes.includes(0)) return undefined;
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    return undefined;
  }
  const bom = text.startsWith(BOM);
  if (bom) text = text.slice(1);
  const ending = lineEnding(text);
  return { text: ending === "\r\n" ? text.replaceAll("\r\n", "\n") : text, format: { bom, ending } };
}

/** What {@link decodeText} was made from. */
export function encodeText(text: string, { bom, ending }: TextFormat): Uint8Array {
  // A `\r` that somebody pasted before a line's end would make two of one.
  const lines = ending === "\r\n" ? text.replaceAll(/\r?\n/g, "\r\n") : text;
  return encoder.encode(bom ? BOM + lines : lines);
}
