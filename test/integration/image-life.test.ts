/** An image from `image add` to `image remove`, through hub, host and project: handed out once, made anew beside projects that keep the old one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Project } from "../../src/contract/api.ts";
import type { Image, Pruned } from "../../src/contract/api-images.ts";
import { execOk } from "../../src/core/exec.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { smallRoot } from "../fixtures/small-root.ts";

const SLOW = 180_000;

describe.skipIf(process.getuid?.() !== 0)("an image's life (needs root for podman)", () => {
  let hub: RunningHub;
  const dir = mkdtempSync(join(tmpdir(), "cc-image-"));
  const tree = join(dir, "tree");
  const tar = join(dir, "root.tar");
  const pack = (mark: string) =>
    execOk(["sh", "-c", `echo ${mark} >etc/mine && tar -cf ../root.tar .`], { cwd: tree });
  const mark = async (project: string) =>
    (await hub.cli("project", "exec", project, "--", "cat", "/etc/mine")).stdout.trim();
  const lab = async () =>
    (await hub.json<Image[]>("image", "list")).find((one) => one.image === "lab") as Image & {
      digest: string;
    };
  const archive = (digest: string) => join(hub.dataDir, `launchpad/images/${digest}.tar.zst`);

  beforeAll(async () => {
    await smallRoot(tree);
    await pack("one");
    hub = await startHub();
    writeFileSync(join(dir, "password"), "correct horse battery\n");
    await hub.json("setup", "--email", "ada@example.com", "--password-file", join(dir, "password"));
    // A backup of a project needs its image.
    await hub.json("settings", "set", "backup_every_minutes", "0");
    await until(
      "the host is ready",
      async () => (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready",
      60_000,
    );
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "added, fetched by its host, started on; what came damaged is not used, and fetched again",
    async () => {
      const { digest } = await hub.json<{ digest: string }>("image", "add", "lab", "--tar", tar);
      expect(await lab()).toMatchObject({ digest, source: tar, projects: 0, previous: [] });
      await hub.json("project", "create", "--name", "first", "--image", "lab");
      // What a cut download left, with a wrong byte in it: the host goes on behind it, and sees it at the end.
      const downloads = join(hub.dataDir, "project-host/images");
      const part = join(downloads, `${digest}.tar.zst.part`);
      writeFileSync(part, "x".repeat(1000), { mode: 0o600 });
      const { uid, gid } = statSync(downloads);
      chownSync(part, uid, gid);
      const failed = await hub.cli("project", "start", "first");
      expect({ failed: failed.code !== 0, why: /image\.download-failed/.exec(failed.stderr)?.[0] }).toEqual({
        failed: true,
        why: "image.download-failed",
      });
      expect(existsSync(part)).toBe(false);
      await hub.json("project", "start", "first");
      expect(await mark("first")).toBe("one");
      // Unpacked, the archive is not needed there any more.
      expect(existsSync(join(downloads, `${digest}.tar.zst`))).toBe(false);
      expect(await lab()).toMatchObject({ digest, projects: 1 });
    },
    SLOW,
  );

  test(
    "upgraded: new projects get the new one, those on the old one keep it, also over a restart; then nothing needs it",
    async () => {
      const old = (await lab()).digest;
      await pack("two");
      const { digest } = await hub.json<{ digest: string }>("image", "upgrade", "lab");
      expect(digest).not.toBe(old);
      await hub.json("project", "create", "--name", "second", "--image", "lab");
      await hub.json("project", "start", "second");
      await hub.json("project", "restart", "first");
      expect([await mark("first"), await mark("second")]).toEqual(["one", "two"]);
      expect((await lab()).previous).toMatchObject([{ digest: old, projects: 1, backed_up: false }]);
      const long_ago = new Date(Date.now() - 86_400_000);
      utimesSync(archive(old), long_ago, long_ago);
      expect((await hub.json<Pruned>("image", "prune")).removed).toEqual([]);
      const refused = await hub.cli("image", "remove", "lab");
      expect([refused.code !== 0, refused.stderr.includes("image.in-use")]).toEqual([true, true]);
      for (const name of ["first", "second"]) await hub.json("project", "delete", name);
      const { removed } = await hub.json<Pruned>("image", "prune");
      expect(removed.map((one) => one.digest)).toEqual([old]);
      expect([existsSync(archive(old)), existsSync(archive(digest))]).toEqual([false, true]);
      expect((await lab()).previous).toEqual([]);
      await hub.json("image", "remove", "lab");
      expect((await hub.json<Image[]>("image", "list")).map((one) => one.image)).not.toContain("lab");
      expect(existsSync(archive(digest))).toBe(false);
      expect(await hub.json<Project[]>("project", "list")).toEqual([]);
    },
    SLOW,
  );
});
