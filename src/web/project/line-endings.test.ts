import { expect, test } from "bun:test";
import fc from "fast-check";
import { difference, lineEnding } from "./line-endings.ts";

test("a file keeps the line ending that all its lines have", () => {
  expect(lineEnding("a\r\nb\r\n")).toBe("\r\n");
  expect(lineEnding("a\nb\n")).toBe("\n");
  expect(lineEnding("no line at all")).toBe("\n");
  expect(lineEnding("mixed\r\nand\n")).toBe("\n");
  expect(lineEnding("a progress bar\rdone\r\n")).toBe("\n");
});

test("what differs, put in place, gives the other text", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const change = difference(before, after);
      if (change === undefined) return before === after;
      return before.slice(0, change.from) + change.insert + before.slice(change.to) === after;
    }),
  );
});
