import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeText, encodeText, lineEnding } from "./text-format.ts";

test("a file keeps the line ending that all its lines have", () => {
  expect(lineEnding("a\r\nb\r\n")).toBe("\r\n");
  expect(lineEnding("a\nb\n")).toBe("\n");
  expect(lineEnding("no line at all")).toBe("\n");
  expect(lineEnding("mixed\r\nand\n")).toBe("\n");
  expect(lineEnding("a progress bar\rdone\r\n")).toBe("\n");
});

test("text comes back as the very bytes it was", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "é", "😀", "\r", "\n", "\r\n", "\ufeff"),
    maxLength: 12,
  });
  fc.assert(
    fc.property(text, (content) => {
      const bytes = new TextEncoder().encode(content);
      const decoded = decodeText(bytes);
      return decoded !== undefined && Buffer.from(encodeText(decoded.text, decoded.format)).equals(bytes);
    }),
    { numRuns: 1000 },
  );
});

test("the mark and the ending stay outside of the text that is edited", () => {
  const decoded = decodeText(new TextEncoder().encode("\ufeffone\r\ntwo\r\n"));
  expect(decoded).toEqual({ text: "one\ntwo\n", format: { bom: true, ending: "\r\n" } });
  expect(encodeText("one\r\ntwo\n", { bom: false, ending: "\r\n" })).toEqual(
    new TextEncoder().encode("one\r\ntwo\r\n"),
  );
});

test("NUL and what is no UTF-8 are no text", () => {
  expect(decodeText(new Uint8Array([97, 0, 98]))).toBeUndefined();
  expect(decodeText(new Uint8Array([0xff, 0xfe, 97]))).toBeUndefined();
});
