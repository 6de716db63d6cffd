import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../core/errors.ts";
import { listShared, seenPath } from "./shared-files.ts";

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "shared-"));
  mkdirSync(join(home, "course/week1"), { recursive: true });
  mkdirSync(join(home, "course-secret"));
  mkdirSync(join(home, "private"));
  writeFileSync(join(home, "course/week1/a.md"), "a");
  writeFileSync(join(home, "private/key"), "k");
  writeFileSync(join(home, "course-secret/x"), "x");
  symlinkSync("../private/key", join(home, "course/leak"));
  symlinkSync(join(home, "private"), join(home, "course/leakdir"));
  symlinkSync("week1", join(home, "course/first"));
});
afterAll(() => rmSync(home, { recursive: true }));

const names = async (path: string, roots: string[]) =>
  (await listShared(home, { path, roots })).entries.map((one) => one.name);
const sees = async (path: string, roots: string[]) =>
  await seenPath(home, path, roots).then(
    () => true,
    (error: unknown) => {
      expect(error).toBeInstanceOf(CodedError);
      return false;
    },
  );

test("beneath a root everything, on the way there the way alone, elsewhere nothing", async () => {
  expect(await names("course/week1", ["course"])).toEqual(["a.md"]);
  expect(await names(".", ["course/week1"])).toEqual(["course"]);
  expect(await names("course", ["course/week1"])).toEqual(["week1"]);
  expect(await names(".", ["."])).toEqual(["course", "course-secret", "private"]);
  expect(await names(".", [])).toEqual([]);
});

test("neither a path, a like name nor a link leads out", async () => {
  const roots = ["course"];
  expect(await sees("course/week1/a.md", roots)).toBe(true);
  expect(await sees("course/first/a.md", roots)).toBe(true);
  for (const path of [
    "private/key",
    "course/../private/key",
    "course/leak",
    "course/leakdir",
    "course/leakdir/key",
    "course-secret/x",
    "/etc/passwd",
    "course/none",
    ".",
  ])
    expect([path, await sees(path, roots)]).toEqual([path, false]);
  expect(await sees("course", [])).toBe(false);
});
