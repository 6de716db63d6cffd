import { expect, test } from "bun:test";
import { linePieces } from "./meters.tsx";

test("a gap breaks the line, and nothing is drawn where nothing was measured", () => {
  expect(linePieces([], 60, 20)).toEqual([]);
  expect(linePieces([null, null], 60, 20)).toEqual([]);
  const pieces = linePieces([1, 2, null, 3], 59, 20);
  expect(pieces.length).toBe(2);
  expect(pieces[0]).toStartWith("M56.0 ");
  expect(pieces[1]).toStartWith("M59.0 ");
});
