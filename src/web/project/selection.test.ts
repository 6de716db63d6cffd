import { expect, test } from "bun:test";
import { actedOn, NOTHING, selectOne, selectTo, toggle, topmost } from "./selection.ts";

const SHOWN = ["a", "b", "b/c", "d"];

test("a range goes from the anchor either way, and stays anchored", () => {
  const up = selectTo(selectOne("b/c"), "a", SHOWN);
  expect([...up.paths]).toEqual(["a", "b", "b/c"]);
  expect([...selectTo(up, "d", SHOWN).paths]).toEqual(["b/c", "d"]);
  expect([...selectTo(NOTHING, "d", SHOWN).paths]).toEqual(["d"]);
});

test("one more, one less, and what an action is about", () => {
  const two = toggle(selectOne("a"), "d");
  expect(actedOn(two, "a")).toEqual(["a", "d"]);
  expect(actedOn(two, "b")).toEqual(["b"]);
  expect([...toggle(two, "a").paths]).toEqual(["d"]);
  expect(topmost(["b/c", "b", "bc", "d"])).toEqual(["b", "bc", "d"]);
});
