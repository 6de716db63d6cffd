import { afterAll, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyPaths } from "./copy-paths.ts";

const root = mkdtempSync(join(tmpdir(), "copy-paths-"));
const places = { source: join(root, "source"), home: join(root, "home") };
mkdirSync(join(places.source, "notes/deep"), { recursive: true });
mkdirSync(places.home);
writeFileSync(join(places.source, "notes/a b"), "one");
writeFileSync(join(places.source, "-rf"), "a flag");
symlinkSync("/nowhere", join(places.source, "notes/deep/link"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const task = (paths: string[]) =>
  ({ kind: "copy-paths", source_id: crypto.randomUUID(), paths, into: "copied-1" }) as const;

test("folders and files land below the new folder, links as links, names as they are", async () => {
  expect(await copyPaths(task(["notes", "-rf"]), places, () => {})).toEqual([]);
  expect(readFileSync(join(places.home, "copied-1/notes/a b"), "utf8")).toBe("one");
  expect(readFileSync(join(places.home, "copied-1/-rf"), "utf8")).toBe("a flag");
  expect(readlinkSync(join(places.home, "copied-1/notes/deep/link"))).toBe("/nowhere");
});

test("what is not there is named", async () => {
  const asked = copyPaths(task(["none"]), places, () => {});
  await expect(asked).rejects.toMatchObject({ code: "copy.no-path" });
});
