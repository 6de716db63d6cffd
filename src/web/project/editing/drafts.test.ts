import { expect, test } from "bun:test";
import { dropDraft, findDraft, keepDraft, MAX_DRAFT_CHARS, moveDraft } from "./drafts.ts";

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

const draft = (update: string) => ({ doc_id: "d", update, texts: { base: "a", mine: "ab" } });

test("a draft comes back for its own file alone, until it is dropped", () => {
  const storage = store();
  expect(keepDraft(storage, "p", "a b.txt", draft("typed"))).toBe(true);
  expect(findDraft(storage, "p", "a b.txt")).toEqual(draft("typed"));
  expect(findDraft(storage, "p", "b.txt")).toBeUndefined();
  dropDraft(storage, "p", "a b.txt");
  expect(findDraft(storage, "p", "a b.txt")).toBeUndefined();
});

test("of a long text what was typed is kept; what cannot be kept is said, and an older draft does not stay", () => {
  const storage = store();
  const texts = { base: "x".repeat(MAX_DRAFT_CHARS), mine: "x" };
  expect(keepDraft(storage, "p", "f", { doc_id: "d", update: "u", texts })).toBe(true);
  expect(findDraft(storage, "p", "f")).toEqual({ doc_id: "d", update: "u" });
  expect(keepDraft(storage, "p", "f", draft("x".repeat(MAX_DRAFT_CHARS + 1)))).toBe(false);
  expect(findDraft(storage, "p", "f")).toBeUndefined();
  expect(keepDraft(store(3), "p", "f", draft("typed"))).toBe(false);
});

test("it goes along when the file gets another name", () => {
  const storage = store();
  keepDraft(storage, "p", "old", draft("typed"));
  moveDraft(storage, "p", "old", "new");
  expect(findDraft(storage, "p", "old")).toBeUndefined();
  expect(findDraft(storage, "p", "new")).toEqual(draft("typed"));
});

test("nonsense in the store is no draft", () => {
  const storage = store();
  storage.setItem("draft p f", "{");
  expect(findDraft(storage, "p", "f")).toBeUndefined();
});
