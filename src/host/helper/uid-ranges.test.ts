import { expect, test } from "bun:test";
import { allocateBase, FIRST, RANGE, takenSpans } from "./uid-ranges.ts";

test("ranges follow one another and fill gaps", () => {
  expect(allocateBase([], [])).toBe(FIRST);
  expect(allocateBase([FIRST], [])).toBe(FIRST + RANGE);
  expect(allocateBase([FIRST + RANGE], [])).toBe(FIRST);
});

test("ranges of users, and users themselves, are left alone", () => {
  const taken = takenSpans("ann:165536:65536\nbroken\nbob:300000:10\n", "eve:x:400001:1::/:/bin/sh\n");
  expect(taken).toEqual([
    { first: 165536, count: 65536 },
    { first: 300000, count: 10 },
    { first: 400001, count: 1 },
  ]);
  for (const recorded of [[], [200_000 + 2 * RANGE]]) {
    const base = allocateBase(recorded, taken);
    for (const { first, count } of taken) expect(first >= base + RANGE || base >= first + count).toBe(true);
  }
});

test("when all are taken, it says so", () => {
  expect(() => allocateBase([], [{ first: 0, count: 2 ** 32 }])).toThrow("No range of user ids");
});
