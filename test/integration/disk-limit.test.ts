/** A project's disk limit, from the command line to the kernel: in force at the start, changed while it runs, and nobody else's matter. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits, Project } from "../../src/contract/api.ts";
import type { ProjectUsage } from "../../src/contract/usage.ts";
import { execOk } from "../../src/core/exec.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { hasSimpleQuotas, whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoPool() ?? (hasSimpleQuotas() ? undefined : "needs Linux 6.7");
const LONG = process.env.COCALC_TEST_LONG === "1";
const SLOW = 180_000;
const MIB = 2 ** 20;

describe.skipIf(why !== undefined)(`a project's disk limit${why ? ` (skipped: ${why})` : ""}`, () => {
  let hub: RunningHub;
  let dir: string;
  const inside = async (name: string, command: string) => {
    const { code, stdout, stderr } = await hub.cli("project", "exec", name, "--", "sh", "-c", command);
    return { code, said: `${stdout}${stderr}`.trim() };
  };
  const limits = (name: string, ...flags: string[]) =>
    hub.json<ProjectUsage & { limits: Limits }>("project", "limits", name, ...flags);
  const kept = async (name: string) => (await limits(name)).disk?.quota_bytes;

  beforeAll(async () => {
    hub = await startHub({ pool: true });
    dir = mkdtempSync(join(tmpdir(), "cc-limit-files-"));
    writeFileSync(join(dir, "password"), "correct horse battery\n");
    await hub.json("setup", "--email", "ada@example.com", "--password-file", join(dir, "password"));
    await until(
      "the host is ready",
      async () => (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready",
      60_000,
    );
    await hub.json("settings", "set", "default_disk_gb", "1.5");
    await hub.json("project", "create", "--name", "small", "--disk", "100M");
    await hub.json("project", "create", "--name", "neighbour");
    await hub.json("project", "start", "small");
    await hub.json("project", "start", "neighbour");
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "in force from the first start; the admin's default where none was named",
    async () => {
      expect(await kept("small")).toBe(100 * MIB);
      expect(await kept("neighbour")).toBe(1536 * MIB);
      const { said } = await inside("small", "head -c 200M /dev/urandom >~/big; sync ~/big");
      expect(said).toContain("quota");
      const beyond = await inside("small", "sudo sh -c 'head -c 200M /dev/urandom >/opt/big; sync /opt/big'");
      expect(beyond.said).toContain("quota");
      // Whoever is beside it goes on.
      expect(await inside("neighbour", "head -c 150M /dev/urandom >~/big && sync ~/big && echo ok")).toEqual({
        code: 0,
        said: "ok",
      });
    },
    SLOW,
  );

  test(
    "what does not fit is refused before it is sent",
    async () => {
      await inside("small", "rm -f ~/big; sudo rm -f /opt/big; sync");
      await execOk(["truncate", "--size=120M", join(dir, "too-large")]);
      const refused = await hub.cli("project", "cp", join(dir, "too-large"), "small:");
      expect({ failed: refused.code !== 0, why: /file\.no-space/.exec(refused.stderr)?.[0] }).toEqual({
        failed: true,
        why: "file.no-space",
      });
      expect((await inside("small", "ls ~/too-large*")).said).toContain("No such file");
      expect((await hub.cli("project", "cp", join(dir, "too-large"), "neighbour:")).code).toBe(0);
    },
    SLOW,
  );

  test(
    "changed while it runs it holds at once, and after a stop and a start; three numbers are told",
    async () => {
      expect((await limits("small", "--disk", "300M")).disk?.quota_bytes).toBe(300 * MIB);
      const more = "head -c 150M /dev/urandom >~/more && sync ~/more && echo ok";
      expect(await inside("small", more)).toEqual({ code: 0, said: "ok" });
      await hub.json("snapshot", "create", "small");
      await inside("small", "rm ~/more; sync");
      const told = await until(
        "what only the snapshot holds is counted",
        async () => {
          const { disk } = await limits("small");
          return disk && disk.held_bytes > 140 * MIB ? disk : undefined;
        },
        60_000,
      );
      expect(told.counted).toBe("simple");
      expect(told.live_bytes).toBeLessThan(60 * MIB);
      expect(Math.abs(told.used_bytes - told.live_bytes - told.held_bytes)).toBeLessThan(MIB);
      // Held by a snapshot still counts.
      expect((await inside("small", "head -c 200M /dev/urandom >~/again; sync ~/again")).said).toContain(
        "quota",
      );
      await hub.json("project", "restart", "small");
      expect(await kept("small")).toBe(300 * MIB);
      expect((await limits("small", "--disk", "none")).disk?.quota_bytes).toBeNull();
      expect(
        (await inside("small", "head -c 200M /dev/urandom >~/again && sync ~/again; echo $?")).said,
      ).toBe("0");
      const plain = await hub.cli("project", "limits", "small");
      expect(plain.stdout).toMatch(/^disk\s+none\s+\S+ MiB: \S+ MiB live, \S+ MiB held by snapshots$/m);
    },
    SLOW,
  );

  test.skipIf(!LONG)(
    "when nearly all of it is used, the project says so, with the way out",
    async () => {
      // It holds 150 MiB that do not compress.
      await limits("neighbour", "--disk", "150M");
      const full = await until(
        "the notice",
        async () => {
          const now = await hub.json<Project>("project", "show", "neighbour");
          return now.problem ?? undefined;
        },
        120_000,
      );
      expect({ code: full.code, fix: full.fix?.includes("snapshots") }).toEqual({
        code: "project.disk-full",
        fix: true,
      });
      await limits("neighbour", "--disk", "2G");
      await until(
        "the notice is gone",
        async () => (await hub.json<Project>("project", "show", "neighbour")).problem === null,
        120_000,
      );
    },
    300_000,
  );
});
