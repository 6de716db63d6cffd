import { expect, test } from "bun:test";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadOrCreateSecret, open, seal } from "./secrets.ts";

const key = new Uint8Array(32).fill(3);

test("opens in its own context alone", () => {
  const sealed = seal(key, "settings:a", "s3cret");
  expect(sealed).not.toContain("s3cret");
  expect(open(key, "settings:a", sealed)).toBe("s3cret");
  expect(() => open(key, "settings:b", sealed)).toThrow("cannot be opened");
  expect(() => open(key, "settings:a", `${sealed.slice(0, -4)}AAAA`)).toThrow("cannot be opened");
});

test("a secret file is ours alone, kept, and never replaced when damaged", () => {
  const dir = mkdtempSync(join(tmpdir(), "secrets-"));
  const first = loadOrCreateSecret(dir, "k");
  expect(statSync(join(dir, "k")).mode & 0o777).toBe(0o600);
  expect(loadOrCreateSecret(dir, "k")).toEqual(first);
  writeFileSync(join(dir, "k"), "short");
  expect(() => loadOrCreateSecret(dir, "k")).toThrow("damaged");
});
