import { expect, test } from "bun:test";
import fc from "fast-check";
import { TitleScanner } from "./title.ts";

function titles(...chunks: (string | Uint8Array)[]): string[] {
  const seen: string[] = [];
  const scanner = new TitleScanner((title) => seen.push(title));
  for (const chunk of chunks)
    scanner.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  return seen;
}

test("titles end with BEL or ST, and may be cut anywhere", () => {
  const text = "a\x1b]0;one\x07b\x1b[1m\x1b]2;zwölf\x1b\\c\x1b]7;file:///\x07\x1b\x1b]0;x\u202ey\x07";
  expect(titles(text)).toEqual(["one", "zwölf", "xy"]);
  expect(titles(...[...new TextEncoder().encode(text)].map((byte) => new Uint8Array([byte])))).toEqual([
    "one",
    "zwölf",
    "xy",
  ]);
  expect(titles(`\x1b]0;${"x".repeat(1000)}\x07`)).toEqual([]);
});

test("random bytes do no harm", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => void titles(bytes)));
});
