/**
 * A host's clock jumps by days, ahead and back, while backups, snapshots and retention run. (Its own programs see it;
 * rustic, in its jail, sees this machine's.) Nothing that was proven is lost, ages are told by the hub's clock, and
 * what the wrong clock made does not stand in the way of what comes after.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import type { Backup } from "../../src/contract/api-backups.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { type Clock, makeClock } from "../fixtures/clock.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { HOST_BINARY, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { joinSecondHost, type SecondHost } from "../fixtures/second-host.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const SLOW = 180_000;
const DAY = 86_400;
const LONG = process.env.COCALC_TEST_LONG === "1" ? undefined : "only with COCALC_TEST_LONG=1";
const WHY = whyNoBackups() ?? whyNoPool() ?? LONG;
if (WHY !== undefined) console.error(`SKIPPED: backups of a host whose clock jumps: ${WHY}`);

interface Round {
  looked: number;
  taken: number;
  removed: number;
  failed: number;
}

describe.skipIf(WHY !== undefined)("backups of a host whose clock jumps", () => {
  let lab: BackupLab;
  let clock: Clock;
  let far: SecondHost;
  let project: Project;
  let layer = "";
  const proven: Backup[] = [];
  const show = () => lab.hub.json<Host>("host", "show", far.host.host_id);

  /** What the timer calls there. */
  async function schedule(): Promise<Round> {
    const argv = [HOST_BINARY, "snapshot", "run", "--due", "--json", "--data-dir", far.dataDir];
    const ran = await exec([...clock.wrap, ...argv], { timeout: 60_000 });
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    return JSON.parse(ran.stdout) as Round;
  }
  /** From outside: with its clock ahead nobody's grants are valid there. */
  const change = async () => {
    const home = join(far.dataDir, "project-host/storage/pool/projects", project.project_id, "data/home");
    const write = 'head -c 3000000 /dev/urandom >"$0/d/some" && chown --reference="$0" "$0/d/some"';
    await execOk(["nsenter", "-t", String(far.pid()), "-m", "--", "sh", "-c", write, home]);
  };
  /** It is proven, and of now by this machine's clock, which is the hub's. */
  async function backUp(): Promise<void> {
    await change();
    const began = Date.now();
    const made = await lab.backup(project);
    expect([made.state, made.problem]).toEqual(["proven", null]);
    expect(Date.parse(made.started_at)).toBeWithin(began - 1_000, Date.now() + 1);
    proven.push(made);
  }
  async function nothingIsLost(): Promise<void> {
    const there = readdirSync(join(lab.repository, "snapshots"));
    const listed = await lab.list(project);
    for (const one of proven) {
      const now = listed.find((row) => row.backup_id === one.backup_id);
      // Of one hour a prune keeps the newest.
      if (now === undefined && one !== proven.at(-1)) continue;
      expect(now?.state).toBe("proven");
      expect(there).toContain(one.snapshot_id ?? "");
    }
    const overview = await lab.overview();
    const mine = overview.projects.find((one) => one.project_id === project.project_id);
    expect(mine?.last_proven_at).toBe(proven.at(-1)?.started_at ?? "");
    const codes = overview.alarms.map((one) => one.code);
    for (const code of ["backup.clock", "backup.too-old"]) expect(codes).not.toContain(code);
  }

  beforeAll(async () => {
    lab = await openBackupLab();
    layer = mkdtempSync(join(tmpdir(), "cc-clock-"));
    clock = await makeClock(layer);
    far = await joinSecondHost(lab.hub, { wrap: clock.wrap, pool: true });
    const made = await lab.hub.json<Project>(
      ...["project", "create", "--name", "far", "--host", far.host.host_id],
    );
    await lab.hub.json("project", "start", made.project_id);
    project = await lab.hub.json<Project>("project", "show", made.project_id);
    await lab.sh(project, "mkdir d");
    await backUp();
    expect(await schedule()).toMatchObject({ looked: 1, taken: 1, failed: 0 });
  }, SLOW);
  afterAll(async () => {
    clock?.jump(0);
    await far?.remove();
    await lab?.hub.stop();
    if (layer) rmSync(layer, { recursive: true, force: true });
  }, SLOW);

  test(
    "five days ahead while a backup reads: it is proven all the same, and so is the next",
    async () => {
      await lab.sh(project, "head -c 60000000 /dev/urandom > d/large");
      const operation = await lab.begin(project);
      await until(
        "it reads",
        async () => descendantsOf(far.pid()).some(({ argv }) => argv[0] === "/rustic"),
        30_000,
      );
      clock.jump(5 * DAY);
      // The retention of that time: it would take the snapshot that is read.
      await schedule();
      expect((await lab.ended(operation)).problem).toBe(null);
      const made = (await lab.list(project)).find((one) => one.backup_id === operation.operation_id);
      expect(made).toMatchObject({ state: "proven", left_out: [] });
      if (made) proven.push(made);
      await until(
        "the hub names its clock",
        async () => (await show()).problem?.code === "host.clock-skew",
        40_000,
      );
      await backUp();
      await change();
      expect((await schedule()).failed).toBe(0);
      expect((await lab.hub.cli("backup", "prune")).stderr).toBe("");
      await nothingIsLost();
    },
    SLOW,
  );

  test(
    "then three days behind: backups go on with their true age, and snapshots do not wait for a time that was",
    async () => {
      clock.jump(-3 * DAY);
      await backUp();
      expect(await schedule()).toMatchObject({ taken: 1, failed: 0 });
      expect((await lab.hub.cli("backup", "prune")).stderr).toBe("");
      await nothingIsLost();
      // Its daemon starts anew with that clock: the hub lets nothing of it in, and says why.
      for (const { pid, argv } of descendantsOf(far.pid()))
        if (argv[1] === "serve") process.kill(pid, "SIGKILL");
      await until(
        "the hub says what is wrong",
        async () => ["host.clock-skew", "host.no-control-link"].includes((await show()).problem?.code ?? ""),
        60_000,
      );
    },
    SLOW,
  );

  test(
    "right again: the host is ready, the next backup by schedule is proven, and all comes back",
    async () => {
      clock.jump(0);
      await until("the host is ready", async () => (await show()).state === "ready", 60_000);
      await change();
      const before = (await lab.list(project)).length;
      await lab.hub.json("settings", "set", "backup_every_minutes", "1");
      await until(
        "the schedule made one",
        async () => {
          await lab.hub.json("backup", "run", "--due");
          const [newest] = await lab.list(project);
          if ((await lab.list(project)).length <= before || newest?.state !== "proven") return false;
          proven.push(newest);
          return true;
        },
        120_000,
      );
      await lab.hub.json("settings", "set", "backup_every_minutes", "0");
      await nothingIsLost();
      expect((await lab.hub.cli("backup", "drill", project.project_id)).stderr).toBe("");
      const tree = await lab.sh(project, TREE);
      await lab.sh(project, "rm -r d");
      expect((await lab.hub.cli("backup", "restore", project.project_id, "latest")).stderr).toBe("");
      expect(await lab.sh(project, TREE)).toBe(tree);
      await change();
      expect(await schedule()).toMatchObject({ failed: 0 });
    },
    SLOW,
  );
});
