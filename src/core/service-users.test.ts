import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "./errors.ts";
import { giveDir, isRoot } from "./service-users.ts";

/** `nobody` of every distribution: a user that is not us. */
const OTHER = { name: "nobody", uid: 65_534, gid: 65_534 };

test.skipIf(!isRoot())(
  "a service user reaches its data below a home that has nothing yet (needs root)",
  async () => {
    const home = mkdtempSync(join(tmpdir(), "home-"));
    chmodSync(home, 0o755);
    const dir = join(home, ".local/share/cocalc/project-host");
    await giveDir(dir, { ...OTHER, home });
    for (const path of [dir, join(home, ".local"), join(home, ".local/share/cocalc")])
      expect([path, statSync(path).uid]).toEqual([path, OTHER.uid]);
    rmSync(home, { recursive: true });
  },
);

test.skipIf(!isRoot())("what root made and closed on the way is given to it too (needs root)", async () => {
  const home = mkdtempSync(join(tmpdir(), "home-"));
  chmodSync(home, 0o755);
  mkdirSync(join(home, ".local/share"), { recursive: true, mode: 0o700 });
  await giveDir(join(home, ".local/share/cocalc/launchpad"), { ...OTHER, home });
  expect(statSync(join(home, ".local")).uid).toBe(OTHER.uid);
  rmSync(home, { recursive: true });
});

test.skipIf(!isRoot())("what root left open on the way stays root's (needs root)", async () => {
  const home = mkdtempSync(join(tmpdir(), "home-"));
  chmodSync(home, 0o755);
  mkdirSync(join(home, ".local/share"), { recursive: true });
  for (const path of [".local", ".local/share"]) chmodSync(join(home, path), 0o755);
  await giveDir(join(home, ".local/share/cocalc/launchpad"), { ...OTHER, home });
  expect(statSync(join(home, ".local/share")).uid).toBe(0);
  expect(statSync(join(home, ".local/share/cocalc")).uid).toBe(OTHER.uid);
  rmSync(home, { recursive: true });
});

test.skipIf(!isRoot())(
  "outside its home a closed directory is named, and stays closed (needs root)",
  async () => {
    const outside = mkdtempSync(join(tmpdir(), "closed-"));
    const refused = await giveDir(join(outside, "data"), { ...OTHER, home: "/nonexistent" }).catch(
      (error) => error,
    );
    expect(refused).toBeInstanceOf(CodedError);
    expect((refused as CodedError).code).toBe("data-dir.unreachable");
    expect(statSync(outside).uid).toBe(0);
    rmSync(outside, { recursive: true });
  },
);
