import { expect, test } from "bun:test";
import type { BackupEntry } from "../../contract/api-backups.ts";
import { thenAndNow } from "./backup-then-now.ts";
import { fileToTry } from "./compare-file.ts";

const entry = (change: Partial<BackupEntry> = {}): BackupEntry => ({
  name: "a",
  path: "d/a",
  type: "file",
  size: 3,
  modified_at: "2026-11-25T12:00:00.000Z",
  link: null,
  ...change,
});
const now = (change = {}) => [
  { name: "a", type: "file", size: 3, mtime: Date.parse("2026-11-25T12:00:41Z"), ...change },
];

test("then and now: the same within its minute, changed, gone, something else; unknown while not known", () => {
  expect(thenAndNow(entry(), undefined)).toBeUndefined();
  expect(thenAndNow(entry(), now())?.text).toBe("same");
  expect(thenAndNow(entry(), now({ size: 4 }))?.text).toBe("changed");
  expect(thenAndNow(entry(), now({ mtime: Date.parse("2026-11-25T12:01:00Z") }))?.text).toBe("changed");
  expect(thenAndNow(entry(), [])?.text).toBe("deleted since");
  expect(thenAndNow(entry({ type: "dir" }), now())?.text).toBe("something else");
});

test("a file to try: not an empty one where there is another, none that is huge", () => {
  expect(fileToTry([entry({ size: 0 }), entry({ path: "b" })])?.path).toBe("b");
  expect(fileToTry([entry({ type: "dir" }), entry({ size: 2 ** 30 })])).toBeUndefined();
});
