/** Backups where projects lie in plain directories, on a disk too small for a pool: what is read may change meanwhile. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";

const SLOW = 180_000;
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: backups of plain directories: ${WHY}`);

describe.skipIf(WHY !== undefined)("backups of projects in plain directories", () => {
  let lab: BackupLab;
  let project: Project;
  const mount = mkdtempSync(join(tmpdir(), "cc-plain-"));
  const image = `${mount}.img`;

  beforeAll(async () => {
    await execOk(["truncate", "-s", "7G", image]);
    await execOk(["mkfs.ext4", "-q", "-m", "0", image], { timeout: 60_000 });
    await execOk(["mount", "-o", "loop", image, mount]);
    chmodSync(mount, 0o755);
    mkdirSync(join(mount, "data"));
    lab = await openBackupLab({ dataDir: join(mount, "data") });
    project = await lab.project("plain");
    await lab.sh(project, "mkdir -p d/e && head -c 150000000 /dev/urandom > d/e/big && echo one > note");
    const [host] = await lab.hub.json<Host[]>("host", "list");
    expect(host?.report?.storage.kind).toBe("directory");
  }, SLOW);
  afterAll(async () => {
    await lab?.hub.stop();
    await exec(["umount", "-l", mount]);
    rmSync(mount, { recursive: true, force: true });
    rmSync(image, { force: true });
  }, SLOW);

  const reads = () =>
    until(
      "rustic reads",
      async () => descendantsOf(lab.hub.pid).some(({ argv }) => argv[0]?.endsWith("/rustic")),
      30_000,
    );

  test(
    "what changed once while it was read is read again: proven, and it is in it",
    async () => {
      const operation = await lab.begin(project);
      await reads();
      await lab.sh(project, "echo late > late");
      await lab.ended(operation, SLOW);
      const made = (await lab.list(project)).find((one) => one.backup_id === operation.operation_id);
      expect(made).toMatchObject({ state: "proven", left_out: [], problem: null });
      expect((await lab.hub.cli("backup", "get", project.project_id, "latest", "late")).stdout).toBe(
        "late\n",
      );
    },
    SLOW,
  );

  test(
    "what goes on changing makes it partial, and is named; once it stands still the next is proven",
    async () => {
      await lab.sh(
        project,
        "setsid sh -c 'while [ ! -e enough ]; do date +%N >> busy.log; sleep 0.005; done' >/dev/null 2>&1 </dev/null & echo started",
      );
      const made = await lab.backup(project);
      expect([made.state, made.problem?.code]).toEqual(["partial", "backup.partial"]);
      expect(made.left_out.join()).toContain("busy.log");
      const [row] = (await lab.overview()).projects;
      expect(row?.last?.state).toBe("partial");
      await lab.sh(project, "touch enough; sleep 0.2; rm -f busy.log enough");
      expect(await lab.backup(project)).toMatchObject({ state: "proven", left_out: [] });
    },
    SLOW,
  );

  test(
    "one that is cancelled ends at once, leaves nothing running, and the next is proven",
    async () => {
      await lab.sh(project, "head -c 150000000 /dev/urandom > d/e/more");
      const operation = await lab.begin(project);
      await reads();
      await lab.hub.json("operation", "cancel", operation.operation_id);
      const ended = await lab.ended(operation);
      expect([ended.state, ended.problem?.code]).toEqual(["cancelled", "operation.cancelled"]);
      const made = (await lab.list(project)).find((one) => one.backup_id === operation.operation_id);
      expect(made).toMatchObject({ state: "failed", problem: { code: "operation.cancelled" } });
      const left = () =>
        descendantsOf(lab.hub.pid).filter(({ argv }) =>
          /rustic|backup-job|cocalc-backup/.test(argv.join(" ")),
        );
      await until("nothing of it runs", async () => left().length === 0, 20_000);
      expect((await lab.backup(project)).state).toBe("proven");
    },
    SLOW,
  );

  test(
    "the whole project comes back, and nothing that was replaced is left beside it",
    async () => {
      const tree = await lab.sh(project, TREE);
      await lab.sh(project, "rm -r d note && echo other > other");
      const restored = await lab.hub.cli("backup", "restore", project.project_id, "latest");
      expect([restored.code, restored.stderr]).toEqual([0, ""]);
      expect(await lab.sh(project, TREE)).toBe(tree);
      const dir = (
        await execOk([
          "find",
          lab.hub.dataDir,
          "-type",
          "d",
          "-name",
          project.project_id,
          "-path",
          "*storage*",
        ])
      ).split("\n")[0];
      expect((await execOk(["ls", dir ?? ""])).split("\n").filter(Boolean).sort()).toEqual([
        "home",
        "meta",
        "upper",
        "work",
      ]);
    },
    SLOW,
  );
});
