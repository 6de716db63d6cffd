/** A restore over a line so slow that it takes more than five minutes: it is not taken for one that hangs. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Operation, Project } from "../../src/contract/api.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { makeNatLab, type NatLab } from "../fixtures/nat-lab.ts";
import { type Joined, joinByPaste } from "../fixtures/pasted-line.ts";
import { HUB_BINARY, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";

const SLOW = 240_000;
const LONG = process.env.COCALC_TEST_LONG === "1" ? undefined : "only with COCALC_TEST_LONG=1";
const WHY = whyNoBackups() ?? LONG;
if (WHY !== undefined) console.error(`SKIPPED: restore over a slow line: ${WHY}`);

/** Of a home that does not compress; at {@link RATE} it takes seven minutes. */
const MIB = 32;
const RATE = "650kbit";
const MORE_THAN_MS = 300_000;
const LIMIT = 900_000;

describe.skipIf(WHY !== undefined)("a restore over a slow line (needs root: namespaces)", () => {
  let lab: BackupLab;
  let net: NatLab;
  let joined: Joined;
  let project: Project;
  let dataDir = "";
  const toMachine = (...argv: string[]) =>
    execOk(["ip", "netns", "exec", net.router, "tc", "qdisc", ...argv]);

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "cc-slow-"));
    chmodSync(dataDir, 0o755);
    net = await makeNatLab();
    lab = await openBackupLab();
    joined = await joinByPaste(lab.hub, net, dataDir);
    const made = ["project", "create", "--name", "thesis", "--host", joined.host.host_id];
    project = await lab.hub.json<Project>(...made);
    await lab.hub.json("project", "start", project.project_id);
  }, SLOW);

  afterAll(async () => {
    await joined?.end();
    await lab?.hub.stop();
    if (dataDir) await removeDataDir(dataDir);
    await net?.destroy();
  }, SLOW);

  test(
    "takes more than five minutes, tells how far it is, and brings every byte",
    async () => {
      await lab.sh(project, `head -c ${MIB}M /dev/urandom >model; mkdir d; echo text >d/note`);
      const before = await lab.sh(project, TREE);
      expect((await lab.backup(project)).state).toBe("proven");
      await lab.sh(project, "rm -r model d");
      await toMachine(
        "add",
        "dev",
        "lan",
        "root",
        "tbf",
        "rate",
        RATE,
        "burst",
        "32kbit",
        "latency",
        "400ms",
      );
      const began = performance.now();
      const restore = exec(
        [HUB_BINARY, "backup", "restore", project.project_id, "latest", "--data-dir", lab.hub.dataDir],
        { timeout: LIMIT },
      );
      const told = new Set<string>();
      const running = async () => {
        const one = (await lab.api<Operation[]>("GET", "/operations")).find(
          ({ kind }) => kind === "project.restore",
        );
        for (const { name, detail } of one?.steps ?? []) if (name === "restored" && detail) told.add(detail);
        return one !== undefined && one.state !== "running" && one.state !== "pending" && one;
      };
      const done = await until("the restore ended", running, LIMIT);
      const took = performance.now() - began;
      await toMachine("del", "dev", "lan", "root");
      console.log(`${MIB} MiB at ${RATE}: ${Math.round(took / 1000)} s, ${told.size} different words of it`);
      expect([done.state, done.problem]).toEqual(["done", null]);
      expect((await restore).code).toBe(0);
      expect(took).toBeGreaterThan(MORE_THAN_MS);
      expect(told.size).toBeGreaterThan(20);
      await lab.hub.json("project", "start", project.project_id);
      expect(await lab.sh(project, TREE)).toBe(before);
    },
    LIMIT + SLOW,
  );
});
