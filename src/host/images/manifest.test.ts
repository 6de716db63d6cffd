import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeManifest } from "./manifest.ts";

const dir = mkdtempSync(join(tmpdir(), "manifest-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const version = (sign: string) => ({
  image: "lab",
  digest: sign.repeat(64),
  bytes: 1,
  created: `2026-0${sign}-01`,
});
const archive = (sign: string) => join(dir, `${sign.repeat(64)}.tar.zst`);

test("what an image was before stays named, newest first, while its archive is there", () => {
  for (const sign of ["1", "2", "3"]) writeFileSync(archive(sign), "");
  expect(writeManifest(dir, "lab", version("1")).previous).toEqual([]);
  writeManifest(dir, "lab", version("2"));
  const { previous } = writeManifest(dir, "lab", version("3"));
  expect(previous.map(({ digest }) => digest[0])).toEqual(["2", "1"]);
  rmSync(archive("1"));
  // Made anew with the very same content: it is one version, not two.
  const same = writeManifest(dir, "lab", version("2"));
  expect(same.previous.map(({ digest }) => digest[0])).toEqual(["3"]);
  expect(JSON.parse(readFileSync(join(dir, "lab.json"), "utf8")).digest).toBe("2".repeat(64));
});
