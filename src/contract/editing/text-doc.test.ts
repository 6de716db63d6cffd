import { expect, test } from "bun:test";
import * as Y from "yjs";
import { changeText, copyOf, docOf, mergeTexts, textOf } from "./text-doc.ts";

test("two documents of one content are one: what was typed into either merges without doubling", () => {
  const mine = docOf("one\ntwo\n", 7);
  const theirs = docOf("one\ntwo\n", 7);
  changeText(mine, "ONE\ntwo\n");
  changeText(theirs, "one\ntwo\nthree\n");
  Y.applyUpdate(mine, Y.encodeStateAsUpdate(theirs, Y.encodeStateVector(mine)));
  expect(textOf(mine)).toBe("ONE\ntwo\nthree\n");
});

test("a text is changed where it differs alone, so that a place in it stays where it was", () => {
  const doc = docOf("head\nbody\ntail\n", 1);
  const place = Y.createRelativePositionFromTypeIndex(doc.getText("text"), 7);
  changeText(doc, "HEAD and more\nbody\nTAIL\n");
  expect(Y.createAbsolutePositionFromRelativePosition(place, doc)?.index).toBe(16);
  expect(changeText(doc, textOf(doc))).toBe(false);
});

test("what two people made of one text keeps both", () => {
  expect(mergeTexts("a\nb\nc\n", "a1\nb\nc\n", "a\nb\nc\nd\n")).toBe("a1\nb\nc\nd\n");
  expect(mergeTexts("a\nb\n", "b\n", "a\nb\nnew\n")).toBe("b\nnew\n");
  expect(mergeTexts("same", "same", "other")).toBe("other");
});

test("a copy has the history and goes its own way", () => {
  const doc = docOf("x", 1);
  const copy = copyOf(doc);
  changeText(copy, "xy");
  expect([textOf(doc), textOf(copy)]).toEqual(["x", "xy"]);
});
