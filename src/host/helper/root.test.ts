import { afterAll, describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHelperRoot } from "./root.ts";

const asRoot = process.getuid?.() === 0;
const dirs: string[] = [];
const fresh = () => {
  const dataDir = mkdtempSync(join(tmpdir(), "helper-root-"));
  const root = openHelperRoot(dataDir);
  dirs.push(dataDir, root.run);
  return { dataDir, root };
};
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});
const id = "11111111-2222-4333-8444-555555555555";
const projectDir = (root: { storage: string }) => join(root.storage, "projects", id);

describe.skipIf(!asRoot)("the helper's directories (needs root)", () => {
  test("a path below them is fine, there or not", () => {
    const { root } = fresh();
    expect(root.check(projectDir(root))).toBe(projectDir(root));
    expect(root.check(root.agentDir(id))).toBe(root.agentDir(id));
  });
  test("a link in the way is refused", () => {
    const { root } = fresh();
    symlinkSync("/etc", projectDir(root));
    expect(() => root.check(join(projectDir(root), "meta"))).toThrow("will not touch");
  });
  test("a directory of somebody else in the way is refused", () => {
    const { root } = fresh();
    mkdirSync(projectDir(root));
    chownSync(projectDir(root), 65534, 65534);
    expect(() => root.check(join(projectDir(root), "meta"))).toThrow("will not touch");
  });
  test("storage that was exchanged after the start is refused", () => {
    const { root } = fresh();
    renameSync(root.storage, `${root.storage}-away`);
    mkdirSync(join(root.storage, "projects"), { recursive: true });
    expect(() => root.check(projectDir(root))).toThrow("will not touch");
  });
  test("a path outside is refused", () => {
    const { root } = fresh();
    expect(() => root.check("/etc/passwd")).toThrow("will not touch");
    expect(() => root.check(join(root.storage, "../host.json"))).toThrow("will not touch");
  });
  test("storage that is a link, or somebody else's, stops the start", () => {
    const { dataDir, root } = fresh();
    rmSync(root.storage, { recursive: true });
    symlinkSync("/tmp", root.storage);
    expect(() => openHelperRoot(dataDir)).toThrow("will not touch");
    rmSync(root.storage);
    mkdirSync(root.storage);
    chownSync(root.storage, 65534, 65534);
    expect(() => openHelperRoot(dataDir)).toThrow("will not touch");
  });
});
