import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodePath, encodePath, pathBytes, pathText } from "./path-bytes.ts";

test("every byte string comes back as it was, through text, JSON and a URL", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = pathText(bytes);
      expect(pathBytes(JSON.parse(JSON.stringify(text)) as string)).toEqual(bytes);
      expect(decodePath(encodePath(text))).toBe(text);
      expect(encodePath(text)).toMatch(/^[A-Za-z0-9._~/%-]*$/);
    }),
  );
});

test("proper UTF-8 is itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(pathText(new TextEncoder().encode(text))).toBe(text);
    }),
  );
});

test("what is almost UTF-8 stays bytes", () => {
  // Overlong, an encoded surrogate, and a cut sequence.
  for (const bytes of [
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0x61, 0xe2, 0x82],
  ]) {
    expect([...pathBytes(pathText(Uint8Array.from(bytes)))]).toEqual(bytes);
  }
  expect(decodePath("a%2")).toBeUndefined();
});
