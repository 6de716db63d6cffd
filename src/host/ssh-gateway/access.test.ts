import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccessTable } from "./access.ts";

const dir = mkdtempSync(join(tmpdir(), "access-"));
afterAll(() => rmSync(dir, { recursive: true }));
const A = "11111111-2222-4333-8444-555555555555";
const B = "11111111-2222-4333-8444-666666666666";
const key = (blob: string) => ({ type: "ssh-ed25519", blob });
const ada = { account_id: "ada", name: "Ada", keys: [key("ADA")] };
const bob = { account_id: "bob", name: "Bob", keys: [key("BOB")] };

test("nobody, then whom the hub names, by account or by project; kept over a restart", () => {
  const path = join(dir, "a.json");
  const table = createAccessTable(path);
  expect(table.find(A, "ADA")).toBeUndefined();
  const access = {
    accounts: [ada, bob],
    projects: [
      { project_id: A, accounts: ["ada"], keys: [key("BOT")] },
      { project_id: B, accounts: ["bob", "nobody"], keys: [] },
    ],
  };
  expect(table.take({ revision: "1", part: 0, parts: 1, access })).toBe(true);
  for (const now of [table, createAccessTable(path)]) {
    expect(now.find(A, "ADA")).toEqual({ by: "account", account_id: "ada" });
    expect(now.find(A, "BOT")).toEqual({ by: "project", account_id: null });
    expect(now.find(A, "BOB")).toBeUndefined();
    expect(now.find(B, "ADA")).toBeUndefined();
    expect(now.find(B, "BOT")).toBeUndefined();
    expect([now.knows(A), now.knows("other")]).toEqual([true, false]);
  }
});

test("parts count together or not at all; a newer revision replaces one that never ended", () => {
  const table = createAccessTable(join(dir, "b.json"));
  const first = { accounts: [ada], projects: [{ project_id: A, accounts: ["ada"], keys: [] }] };
  const second = { accounts: [ada], projects: [{ project_id: B, accounts: ["ada"], keys: [] }] };
  expect(table.take({ revision: "1", part: 1, parts: 2, access: second })).toBe(false);
  expect(table.knows(B)).toBe(false);
  expect(table.take({ revision: "2", part: 0, parts: 2, access: first })).toBe(false);
  expect(table.take({ revision: "2", part: 1, parts: 2, access: second })).toBe(true);
  expect([table.find(A, "ADA"), table.find(B, "ADA")].map((one) => one?.account_id)).toEqual(["ada", "ada"]);
  expect(table.take({ revision: "3", part: 0, parts: 1, access: { accounts: [], projects: [] } })).toBe(true);
  expect(table.find(A, "ADA")).toBeUndefined();
  expect(() => table.take({ revision: "4", part: 1, parts: 1, access: first })).toThrow("no part");
});
