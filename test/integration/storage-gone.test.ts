/** The disk with a host's projects is gone when it starts: said wherever one looks, and nothing is made in its place. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import { exec } from "../../src/core/exec.ts";
import { poolPlaces } from "../../src/host/storage/pool-record.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { HOST_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoPool();
const SLOW = 120_000;
const NOT_MOUNTED = "storage.not-mounted";

interface Doctor {
  checks: { code: string; status: string; problem?: { code: string } }[];
}

describe.skipIf(why !== undefined)(`a pool that is gone${why ? ` (skipped: ${why})` : ""}`, () => {
  const dataDir = mkdtempSync(join(tmpdir(), "cc-gone-"));
  const places = poolPlaces(join(dataDir, "project-host/storage"));
  const aside = join(dataDir, "taken-out.btrfs");
  let hub: RunningHub;
  let id = "";
  const host = async () => (await hub.json<Host[]>("host", "list"))[0];
  /** Stops all, and does something to the pool in between. */
  async function again(change: () => void): Promise<void> {
    await hub.stop();
    await exec([HOST_BINARY, "storage", "unmount", "--data-dir", dataDir]);
    change();
    hub = await startHub({ dataDir, basePort: hub.basePort });
  }

  beforeAll(async () => {
    hub = await startHub({ dataDir, pool: true });
    const password = join(dataDir, "password");
    writeFileSync(password, "correct horse battery\n");
    await hub.json("setup", "--email", "ada@example.com", "--password-file", password);
    await until("the host is ready", async () => (await host())?.state === "ready", SLOW);
    id = (await hub.json<Project>("project", "create", "--name", "kept")).project_id;
    await hub.json("project", "start", id);
    expect((await hub.cli("project", "exec", id, "--", "sh", "-c", "echo kept >~/kept")).code).toBe(0);
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
    await removeDataDir(dataDir);
  }, SLOW);

  test(
    "the host is degraded and says why, the health page too; a start names it, and nothing is made in its place",
    async () => {
      await again(() => renameSync(places.image, aside));
      const seen = await until(
        "the host is degraded",
        async () => {
          const now = await host();
          return now?.problem?.code === NOT_MOUNTED && now;
        },
        SLOW,
      );
      expect(seen.state).toBe("degraded");
      const refused = [
        [await hub.cli("project", "start", id), NOT_MOUNTED],
        [await hub.cli("project", "create", "--name", "elsewhere"), "project.no-host"],
      ] as const;
      for (const [result, code] of refused) {
        expect(result.code).not.toBe(0);
        expect(result.stderr).toContain(`[${code}]`);
      }
      const { checks } = JSON.parse((await hub.cli("doctor", "--json")).stdout) as Doctor;
      expect(checks.find((one) => one.code === "host.storage")).toMatchObject({
        status: "fail",
        problem: { code: NOT_MOUNTED },
      });
      expect(existsSync(places.image)).toBe(false);
    },
    SLOW,
  );

  test(
    "with it back all is as it was",
    async () => {
      await again(() => renameSync(aside, places.image));
      await until("the host is ready", async () => (await host())?.state === "ready", SLOW);
      await hub.cli("project", "start", id);
      expect(await hub.cli("project", "exec", id, "--", "cat", "/home/user/kept")).toMatchObject({
        code: 0,
        stdout: "kept\n",
      });
    },
    SLOW,
  );
});
