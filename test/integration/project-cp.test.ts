/** `cocalc-hub project cp` with the real thing: both ways, files and folders, and a hub that is killed in the middle. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processOf, signalFound } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const SLOW = 180_000;

describe.skipIf(process.getuid?.() !== 0)("project cp (needs root for podman)", () => {
  let hub: RunningHub;
  let dir: string;
  let project: string;
  const inProject = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", project, "--", "sh", "-c", command);
    expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    return said.stdout;
  };

  beforeAll(async () => {
    hub = await startHub();
    dir = mkdtempSync(join(tmpdir(), "cc-cp-"));
    writeFileSync(join(dir, "password"), "correct horse battery\n");
    await hub.json("setup", "--email", "ada@example.com", "--password-file", join(dir, "password"));
    await until(
      "the host is ready",
      async () => (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready",
      60_000,
    );
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "climate",
    ));
    await hub.json("project", "start", project);
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "a file and a folder in and out; nothing is written over unasked",
    async () => {
      mkdirSync(join(dir, "study/raw"), { recursive: true });
      writeFileSync(join(dir, "study/raw/a b.txt"), "one");
      writeFileSync(join(dir, "study/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
      const sent = await hub.cli("project", "cp", join(dir, "study"), "climate:");
      expect({ code: sent.code, stdout: sent.stdout.trim() }).toEqual({
        code: 0,
        stdout: "2 files, 13 bytes",
      });
      expect(await inProject("cat 'study/raw/a b.txt'")).toBe("one");
      const again = await hub.cli("project", "cp", join(dir, "study/run.sh"), "climate:study/");
      expect({ code: again.code, said: again.stderr.includes("file.exists") }).toEqual({
        code: 75,
        said: true,
      });
      expect(
        (await hub.cli("project", "cp", "--replace", join(dir, "study/run.sh"), "climate:study/")).code,
      ).toBe(0);
      const back = await hub.cli("project", "cp", "climate:study", join(dir, "back"));
      expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: "" });
      expect(readFileSync(join(dir, "back/raw/a b.txt"), "utf8")).toBe("one");
      expect((await hub.cli("project", "cp", "climate:study/raw/a b.txt", dir)).code).toBe(0);
      expect(readFileSync(join(dir, "a b.txt"), "utf8")).toBe("one");
      expect((await hub.cli("project", "cp", "climate:study/raw/a b.txt", dir)).code).toBe(73);
      expect((await hub.cli("project", "cp", "climate:nothing", join(dir, "x"))).code).toBe(66);
      expect((await hub.cli("project", "cp", join(dir, "back"), join(dir, "x"))).code).toBe(64);
      expect(existsSync(join(dir, "x"))).toBe(false);
    },
    SLOW,
  );

  test(
    "the hub is killed in the middle: the upload goes on, and is whole",
    async () => {
      const bytes = randomBytes(150_000_000);
      writeFileSync(join(dir, "large.bin"), bytes);
      const copying = hub.cli("project", "cp", join(dir, "large.bin"), "climate:large.bin");
      await until(
        "some of it is there",
        async () =>
          Number(await inProject("stat -c %s ~/.local/share/cocalc/uploads/*/data 2>/dev/null || echo 0")) >
          9_000_000,
        30_000,
      );
      const serving = processOf(
        hub.dataDir,
        (argv) => argv[0]?.endsWith("cocalc-hub") === true && argv[1] === "serve",
      );
      expect(serving).toBeDefined();
      signalFound(serving?.pid, "SIGKILL");
      const done = await copying;
      expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: "" });
      const sum = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
      expect((await inProject("sha256sum large.bin")).split(" ")[0]).toBe(sum);
      expect((await hub.cli("project", "cp", "climate:large.bin", join(dir, "large.back"))).code).toBe(0);
      expect(readFileSync(join(dir, "large.back")).equals(bytes)).toBe(true);
      expect(statSync(join(dir, "large.back")).size).toBe(150_000_000);
    },
    SLOW,
  );
});
