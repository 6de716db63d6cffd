/**
 * Two real hubs come to one repository: the second was recovered while the first lived on. One of them keeps it; the
 * other is refused with the cause, prunes nothing, and calls nothing proven that nobody would keep.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DoctorReport, Project } from "../../src/contract/api.ts";
import type { Backup, BackupsOverview } from "../../src/contract/api-backups.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab } from "../fixtures/backup-lab.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { HUB_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { type S3Lab, startS3, whyNoS3 } from "../fixtures/s3-lab.ts";

const SLOW = 180_000;
const LONG = process.env.COCALC_TEST_LONG === "1";
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: two hubs at one repository: ${WHY}`);
const NO_S3 = WHY ?? whyNoS3() ?? (LONG ? undefined : "only with COCALC_TEST_LONG=1");
if (NO_S3 !== undefined) console.error(`SKIPPED: two hubs at one bucket: ${NO_S3}`);

for (const kind of ["a directory", "a bucket"] as const) {
  const why = kind === "a bucket" ? NO_S3 : WHY;
  describe.skipIf(why !== undefined)(`two hubs and ${kind}`, () => {
    let lab: BackupLab;
    let first: RunningHub;
    let second: RunningHub;
    let s3: S3Lab | undefined;
    let project: Project;
    const shared = mkdtempSync(join(tmpdir(), "cc-shared-"));
    const secondDir = mkdtempSync(join(tmpdir(), "cc-hub-"));
    const snapshots = () =>
      readdirSync(s3 ? join(s3.bucket, "cocalc/shared/snapshots") : join(shared, "repo/shared/snapshots"));
    const prune = async (hub: RunningHub) => {
      const ran = await hub.cli("backup", "prune");
      return ran.code === 0 ? "pruned" : (/backup\.[a-z-]+/.exec(ran.stderr)?.[0] ?? ran.stderr);
    };
    const alarms = async (hub: RunningHub) =>
      (await hub.json<BackupsOverview>("backup", "status")).alarms.map((one) => one.code);
    const list = async (hub: RunningHub) => await hub.json<Backup[]>("backup", "list", project.project_id);
    const proven: Backup[] = [];
    /** What was proven is there, and comes back. */
    async function nothingIsLost(hub: RunningHub): Promise<void> {
      const newest = proven.at(-1);
      expect(snapshots()).toContain(newest?.snapshot_id ?? "");
      const got = await hub.cli("backup", "get", project.project_id, newest?.snapshot_id ?? "", "round");
      expect([got.stdout, got.stderr]).toEqual([`${proven.length}\n`, ""]);
    }
    async function backUp(): Promise<void> {
      await lab.sh(project, `echo ${proven.length + 1} > round && head -c 2000000 /dev/urandom > big`);
      const made = await lab.backup(project);
      expect([made.state, made.problem]).toEqual(["proven", null]);
      proven.push(made);
    }

    beforeAll(async () => {
      lab = await openBackupLab();
      first = lab.hub;
      chmodSync(shared, 0o755);
      if (kind === "a bucket") {
        s3 = await startS3();
        const keys = join(shared, "keys");
        writeFileSync(keys, `${s3.target.access_key_id}\n${s3.target.secret_access_key}\n`, { mode: 0o600 });
        const place = ["--endpoint", s3.target.endpoint, "--bucket", s3.target.bucket];
        await first.json("backup", "target", ...place, "--region", s3.target.region, "--keys-file", keys);
      } else {
        await execOk(["install", "-d", "-m", "0700", "-o", "cocalc", join(shared, "repo")]);
        await first.json("settings", "set", "backup_path", join(shared, "repo"));
      }
      project = await lab.project("both");
      await backUp();
      await backUp();
      expect(await prune(first)).toBe("pruned");
      const sheet = (await first.cli("backup", "recovery-sheet")).stdout;
      const key = join(shared, "key");
      writeFileSync(key, /recovery key {2}(\S+)/.exec(sheet)?.[1] ?? "", { mode: 0o600 });
      const bundle = join(shared, "bundle");
      // The other hub has a host of its own on this machine: it must not want to run the project too.
      await first.json("project", "stop", project.project_id);
      await first.json("backup", "bundle", "--output", bundle);
      await first.json("project", "start", project.project_id);
      const recovered = await exec(
        [HUB_BINARY, "recover", "--from", bundle, "--key-file", key, "--data-dir", secondDir],
        { timeout: 60_000 },
      );
      expect(recovered.stderr).toBe("");
    }, SLOW);
    afterAll(async () => {
      await second?.stop();
      await lab?.hub.stop();
      await s3?.stop();
      await removeDataDir(secondDir);
      rmSync(shared, { recursive: true, force: true });
    }, SLOW);

    test(
      "the one that was recovered keeps it from then on; the one that lives on is refused, and says so everywhere",
      async () => {
        // It is in no bundle.
        await backUp();
        second = await startHub({ dataDir: secondDir });
        await until("it has taken over", async () => (await prune(first)) === "backup.other-hub", 90_000);
        const before = snapshots();
        await lab.sh(project, "echo lost > round");
        const refused = await lab.backup(project);
        expect([refused.state, refused.problem?.code]).toEqual(["failed", "backup.other-hub"]);
        expect(refused.problem?.why).toContain(secondDir);
        expect(snapshots()).toEqual(before);
        expect(await alarms(first)).toContain("backup.other-hub");
        const doctor = JSON.parse((await first.cli("doctor", "--json")).stdout) as DoctorReport;
        expect(doctor.checks.map((one) => one.problem?.code)).toContain("backup.other-hub");
        expect((await first.cli("backup", "hub")).stderr).toContain("backup.other-hub");
        expect(await alarms(second)).not.toContain("backup.other-hub");
        // Its newest is known to the other one too, before that forgets anything.
        const newest = proven.at(-1)?.snapshot_id;
        await until(
          "the second knows all",
          async () => (await list(second)).some((one) => one.snapshot_id === newest),
          60_000,
        );
        expect(await prune(second)).toBe("pruned");
        await nothingIsLost(second);
        await nothingIsLost(first);
      },
      SLOW,
    );

    test(
      "the first takes it over again: now the second is refused, and backups are proven as before",
      async () => {
        expect((await first.cli("backup", "take-over")).stderr).toBe("");
        expect(await prune(second)).toBe("backup.other-hub");
        await backUp();
        expect(await prune(first)).toBe("pruned");
        await nothingIsLost(first);
        expect(await alarms(first)).not.toContain("backup.other-hub");
      },
      SLOW,
    );

    test(
      "both prune at the same moment, each time another's turn: one does, one is refused, nothing is lost",
      async () => {
        for (let round = 1; round <= (LONG ? 8 : 3); round++) {
          const [owner, other] = round % 2 === 0 ? [first, second] : [second, first];
          // Both want it now.
          await Promise.all([first.cli("backup", "take-over"), second.cli("backup", "take-over")]);
          await owner.json("backup", "take-over");
          expect(await Promise.all([prune(owner), prune(other)])).toEqual(["pruned", "backup.other-hub"]);
          await nothingIsLost(first);
        }
        await first.json("backup", "take-over");
        expect((await first.cli("backup", "verify")).stderr).toBe("");
        expect((await first.cli("backup", "drill", project.project_id)).stderr).toBe("");
        await backUp();
        await nothingIsLost(first);
      },
      SLOW,
    );
  });
}
