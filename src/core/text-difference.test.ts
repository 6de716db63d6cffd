import { expect, test } from "bun:test";
import fc from "fast-check";
import { applyDifferences, differences } from "./text-difference.ts";

test("what differs, put in place, gives the other text, in order and without overlap", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "😀", "😁"), maxLength: 24 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const changes = differences(before, after);
      let at = 0;
      for (const { from, to } of changes) {
        if (from < at || to < from) return false;
        at = to;
      }
      return applyDifferences(before, changes) === after;
    }),
    { numRuns: 2000 },
  );
});

test("two places that changed are two replacements: what lies between is left alone", () => {
  const before = "one\ntwo\nthree\nfour\nfive\n";
  const after = "ONE\ntwo\nthree\nfour\nfive!\n";
  expect(differences(before, after)).toEqual([
    { from: 0, to: 3, insert: "ONE" },
    { from: 23, to: 23, insert: "!" },
  ]);
});

test("a surrogate pair is replaced whole", () => {
  for (const { from, to, insert } of differences("a😀b", "a😁b"))
    expect({ from, to, insert }).toEqual({ from: 1, to: 3, insert: "😁" });
});

test("a hundred thousand lines with nothing in common are replaced at once", () => {
  const lines = (word: string) => Array.from({ length: 100_000 }, (_, n) => `${word} ${n}\n`).join("");
  const [only, ...more] = differences(lines("this"), lines("that"));
  expect(more).toEqual([]);
  expect(only?.insert.length).toBeGreaterThan(1_000_000);
});
