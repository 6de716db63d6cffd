import { expect, test } from "bun:test";
import { dropDraft, findDraft, keepDraft, MAX_DRAFT_CHARS } from "./drafts.ts";

function store(limit = Number.POSITIVE_INFINITY): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem(key: string, value: string) {
      if (value.length > limit) throw new DOMException("full", "QuotaExceededError");
      kept.set(key, value);
    },
    removeItem: (key: string) => void kept.delete(key),
    clear: () => kept.clear(),
    key: () => null,
    length: 0,
  };
}

test("a draft comes back for its own file alone, until it is dropped", () => {
  const storage = store();
  expect(keepDraft(storage, "p", "a b.txt", { text: "typed", etag: "1" })).toBe(true);
  expect(findDraft(storage, "p", "a b.txt")).toEqual({ text: "typed", etag: "1" });
  expect(findDraft(storage, "p", "b.txt")).toBeUndefined();
  dropDraft(storage, "p", "a b.txt");
  expect(findDraft(storage, "p", "a b.txt")).toBeUndefined();
});

test("what cannot be kept is said, and an older draft does not stay in its place", () => {
  const storage = store();
  keepDraft(storage, "p", "f", { text: "older", etag: "1" });
  expect(keepDraft(storage, "p", "f", { text: "x".repeat(MAX_DRAFT_CHARS + 1), etag: "1" })).toBe(false);
  expect(findDraft(storage, "p", "f")).toBeUndefined();
  expect(keepDraft(store(3), "p", "f", { text: "typed", etag: "1" })).toBe(false);
});

test("nonsense in the store is no draft", () => {
  const storage = store();
  storage.setItem("draft p f", "{");
  expect(findDraft(storage, "p", "f")).toBeUndefined();
});
