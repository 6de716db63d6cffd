/**
 * Backups of projects in a pool, on bad days: subvolumes within a home, a file that the disk does not give back, a way
 * to the repository on which nothing moves, a restore that is cut off.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Operation, Project } from "../../src/contract/api.ts";
import type { Snapshot } from "../../src/contract/storage.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const SLOW = 240_000;
const CHUNK = 4 * 2 ** 20;
const WHY = whyNoBackups() ?? whyNoPool();
if (WHY !== undefined) console.error(`SKIPPED: backups of projects in a pool: ${WHY}`);

describe.skipIf(WHY !== undefined)("backups of projects in a pool", () => {
  let lab: BackupLab;
  let project: Project;
  const storage = () => join(lab.hub.dataDir, "project-host/storage");
  const home = () => join(storage(), "pool/projects", project.project_id, "data/home");

  beforeAll(async () => {
    lab = await openBackupLab({ pool: true });
    project = await lab.project("pool");
    await lab.sh(project, "mkdir -p d/e && head -c 9000000 /dev/urandom > d/e/big && echo 0 > round");
    expect(await lab.backup(project)).toMatchObject({ state: "proven", left_out: [] });
  }, SLOW);
  afterAll(async () => {
    await lab?.hub.stop();
  }, SLOW);

  test(
    "subvolumes that a project made within its data are in its backup",
    async () => {
      expect((await execOk(["stat", "-f", "-c", "%T", home()])).trim()).toBe("btrfs");
      const nested = join(home(), "nested");
      await execOk(["btrfs", "subvolume", "create", nested]);
      writeFileSync(join(nested, "inside"), "here\n");
      await execOk(["chown", "-R", `--reference=${home()}`, nested]);
      expect(await lab.backup(project)).toMatchObject({ state: "proven", left_out: [] });
      const got = await lab.hub.cli("backup", "get", project.project_id, "latest", "nested/inside");
      expect(got.stdout).toBe("here\n");
    },
    SLOW,
  );

  test(
    "a copy into another project shares its bytes with the original, and belongs to that project alone",
    async () => {
      const other = await lab.project("other");
      await lab.sh(
        project,
        "mkdir -p data/sub && head -c 48000000 /dev/urandom > data/big && echo small > data/sub/a && chmod 600 data/sub/a",
      );
      const backups = (await lab.list(project)).length;
      const ran = await lab.hub.cli(
        ...["project", "copy", other.project_id, "--from", project.project_id, "--path", "data"],
      );
      expect([ran.code, ran.stderr]).toEqual([0, ""]);
      const sums = "cd data && find . -type f -print0 | sort -z | xargs -0 sha256sum";
      expect(await lab.sh(other, `cd copied-* && ${sums}`)).toBe(await lab.sh(project, sums));
      expect(await lab.sh(other, "stat -c '%u %a' copied-*/data/sub/a")).toBe(
        await lab.sh(project, "stat -c '%u %a' data/sub/a"),
      );
      // As the file system counts it: next to nothing is the copy's own.
      const theirs = join(storage(), "pool/projects", other.project_id, "data/home");
      await execOk(["sync", "-f", theirs]);
      const du = await execOk(["btrfs", "filesystem", "du", "--raw", "-s", theirs]);
      const [total = 0, own = 0] = (du.trim().split("\n").at(-1) ?? "").trim().split(/\s+/).map(Number);
      expect(total).toBeGreaterThan(47_000_000);
      expect(own).toBeLessThan(2_000_000);
      // Neither a backup nor a snapshot was left by it.
      expect((await lab.list(project)).length).toBe(backups);
      const shots = await lab.hub.json<{ snapshots: Snapshot[] }>("snapshot", "list", project.project_id);
      expect(shots.snapshots.filter((one) => one.kind === "backup")).toEqual([]);
      await lab.sh(other, "cd copied-* && echo changed > data/big");
      expect(await lab.sh(project, "stat -c %s data/big")).toBe("48000000\n");
      const absent = await lab.hub.cli(
        ...["project", "copy", other.project_id, "--from", project.project_id, "--path", "none"],
      );
      expect(absent.stderr).toContain("copy.no-path");
      await lab.sh(project, "rm -r data");
    },
    SLOW,
  );

  async function proven(): Promise<void> {
    await until(
      "the next is proven",
      async () => {
        const { state, problem } = await lab.backup(project);
        if (state === "proven") return true;
        throw new Error(JSON.stringify(problem));
      },
      120_000,
    );
  }

  /** Flips a bit of it on the disk below, where only the filesystem's checksum can notice. */
  function rot(content: Buffer): number {
    const mark = content.subarray(0, 64);
    const image = readdirSync(storage())
      .map((name) => join(storage(), name))
      .find((path) => statSync(path).isFile() && statSync(path).size >= 2 ** 30);
    const fd = openSync(image ?? "", "r+");
    const chunk = Buffer.alloc(CHUNK + mark.length);
    let found = 0;
    try {
      for (let at = 0; ; at += CHUNK) {
        const read = readSync(fd, chunk, 0, chunk.length, at);
        if (read <= mark.length) return found;
        for (
          let hit = chunk.indexOf(mark);
          hit >= 0 && hit < read - mark.length;
          hit = chunk.indexOf(mark, hit + 1)
        ) {
          writeSync(fd, Buffer.from([(mark[7] ?? 0) ^ 1]), 0, 1, at + hit + 7);
          found += 1;
        }
        chunk.fill(0);
      }
    } finally {
      closeSync(fd);
    }
  }

  test(
    "a file that the disk does not give back is named, and the backup is not called proven; without it the next is",
    async () => {
      const content = randomBytes(200_000);
      writeFileSync(join(home(), "d/rotten"), content);
      await execOk(["chown", `--reference=${home()}`, join(home(), "d/rotten")]);
      await execOk(["sync", "-f", home()]);
      expect(rot(content)).toBeGreaterThan(0);
      writeFileSync("/proc/sys/vm/drop_caches", "1");
      expect((await exec(["cat", join(home(), "d/rotten")])).code).not.toBe(0);
      const made = await lab.backup(project);
      // Rustic names the folder.
      expect(made.state).toBe("partial");
      expect(made.left_out.join()).toMatch(/home\/d.*Input\/output error/);
      await lab.sh(project, "rm d/rotten");
      expect(await lab.backup(project)).toMatchObject({ state: "proven", left_out: [] });
    },
    SLOW,
  );

  test(
    "nothing moves on the way to the repository: the backup fails by itself and says so, and the next is proven",
    async () => {
      // As when packets are dropped: no end, no reset, no data.
      const stopped = new Set<number>();
      const frozen = () => {
        for (const { pid, argv } of descendantsOf(lab.hub.pid)) {
          if (stopped.has(pid) || !(argv[0] ?? "").includes("sshd")) continue;
          process.kill(pid, "SIGSTOP");
          stopped.add(pid);
        }
      };
      await lab.sh(project, "head -c 30000000 /dev/urandom > d/more");
      const operation = await lab.begin(project);
      await until(
        "it reads",
        async () =>
          descendantsOf(lab.hub.pid).some(({ argv }) => (argv[0] ?? "").includes("rustic")) || undefined,
        60_000,
      ).catch(() => undefined);
      frozen();
      try {
        const ended = await lab.ended(operation, 150_000);
        expect([ended.state, ended.problem?.code]).toEqual(["failed", "backup.unreachable"]);
      } finally {
        for (const pid of stopped) {
          try {
            process.kill(pid, "SIGCONT");
          } catch {
            // It was ended meanwhile.
          }
        }
      }
      await proven();
    },
    SLOW,
  );

  test(
    "a restore that is cut off leaves what was, or what was asked for, byte for byte",
    async () => {
      const [newest] = (await lab.list(project)).filter((one) => one.state === "proven");
      const asked = await lab.sh(project, TREE);
      for (const wait of [150, 900]) {
        await lab.sh(project, "echo changed > round && rm -rf d/e && head -c 3000000 /dev/urandom > d/later");
        const was = await lab.sh(project, TREE);
        const operation = await lab.api<Operation>(
          "POST",
          `/projects/${project.project_id}/backups/${newest?.backup_id}/restore`,
          { what: "project" },
        );
        await Bun.sleep(wait);
        for (const { pid, argv } of descendantsOf(lab.hub.pid))
          if ((argv[0] ?? "").endsWith("cocalc-project-host") && ["serve", "helper"].includes(argv[1] ?? ""))
            process.kill(pid, "SIGKILL");
        const ended = await lab.ended(operation, 150_000);
        await until(
          "the project runs",
          async () => {
            await lab.hub.json("project", "start", project.project_id);
            return (await lab.hub.json<Project>("project", "show", project.project_id)).state === "running";
          },
          120_000,
        );
        const now = await lab.sh(project, TREE);
        expect([wait, ended.state === "done" ? now === asked : now === was || now === asked]).toEqual([
          wait,
          true,
        ]);
        await until(
          "the next is proven",
          async () => (await lab.backup(project)).state === "proven",
          120_000,
        );
        if (now !== asked) continue;
        // The safety net of a restore: what it took away is still there.
        expect((await lab.list(project)).length).toBeGreaterThan(0);
      }
    },
    SLOW,
  );
});
