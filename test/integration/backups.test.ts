/**
 * Backups from begin to a restored project: real hub, sshd with its jail, rustic, podman. What is proven is proven by
 * the hub's own look; what is damaged on purpose is told and heals.
 */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DoctorReport, Host, Project } from "../../src/contract/api.ts";
import type { BackupEntry } from "../../src/contract/api-backups.ts";
import { exec } from "../../src/core/exec.ts";
import { hostPaths } from "../../src/core/paths.ts";
import { instanceName } from "../../src/host/helper/root.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { processesOf } from "../fixtures/processes.ts";
import { until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";

const SLOW = 120_000;
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: backups: ${WHY}`);

const FILL = `mkdir -p notes/deep empty && echo one > notes/a.txt && ln notes/a.txt notes/hard && ln -s a.txt notes/link &&
  printf 'x' > "notes/odd name \\"q\\" é" && head -c 3000000 /dev/urandom > notes/deep/big && truncate -s 20M sparse &&
  mkfifo pipe && chmod 600 notes/a.txt && touch -d '2020-02-02 02:02:02' notes/deep`;

describe.skipIf(WHY !== undefined)("backups of a project", () => {
  let lab: BackupLab;
  let project: Project;
  let tree: string;
  beforeAll(async () => {
    lab = await openBackupLab();
    project = await lab.project("first");
    await lab.sh(project, FILL);
    tree = await lab.sh(project, TREE);
  }, SLOW);
  afterAll(async () => {
    await lab?.hub.stop();
  }, SLOW);

  test(
    "the first one is proven; the repository is closed, and nothing of the run is left",
    async () => {
      const made = await lab.backup(project);
      expect(made).toMatchObject({ state: "proven", left_out: [], problem: null });
      expect(made.files).toBeGreaterThan(8);
      expect(made.bytes).toBeGreaterThan(23_000_000);
      // Zeros and like blocks are stored once.
      expect(made.added_bytes).toBeLessThan(6_000_000);
      expect(statSync(lab.repository).mode & 0o777).toBe(0o700);
      for (const folder of ["index", "snapshots", "keys"])
        for (const name of readdirSync(join(lab.repository, folder)))
          expect(statSync(join(lab.repository, folder, name)).mode & 0o7777).toBe(0o444);
      await until(
        "no ssh of a backup is left",
        async () => processesOf("cocalc-backup").length + processesOf("backup-job").length === 0,
        15_000,
      );
      const views = `/run/cocalc-${instanceName(hostPaths(lab.hub.dataDir).dir)}/b/`;
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(views);
    },
    SLOW,
  );

  test(
    "browsed like a folder, one file out of it",
    async () => {
      const files = (path: string) =>
        lab.hub.json<BackupEntry[]>("backup", "files", project.project_id, "latest", ...(path ? [path] : []));
      expect((await files("")).map((one) => one.name)).toEqual(
        expect.arrayContaining(["notes", "empty", "sparse", "pipe"]),
      );
      const notes = await files("notes");
      expect(notes.map((one) => [one.type, one.name])).toEqual(
        expect.arrayContaining([
          ["dir", "deep"],
          ["file", "a.txt"],
          ["link", "link"],
          ["file", 'odd name "q" é'],
        ]),
      );
      const got = await lab.hub.cli("backup", "get", project.project_id, "latest", "notes/a.txt");
      expect(got.stdout).toBe("one\n");
      const absent = await lab.hub.cli("backup", "get", project.project_id, "latest", "notes/none");
      expect(absent.stderr).toContain("backup.no-path");
      const outside = await lab.hub.cli("backup", "get", project.project_id, "latest", "../upper/x");
      expect(outside.code).not.toBe(0);
    },
    SLOW,
  );

  test(
    "files come back beside the originals and over them, into a living project, whatever links lie in the way",
    async () => {
      await lab.sh(project, "echo two > notes/a.txt && rm -r notes/deep && ln -s /etc notes/deep");
      const beside = await lab.hub.cli(
        "backup",
        "restore",
        project.project_id,
        "latest",
        "--path",
        "notes/a.txt,empty",
      );
      expect([beside.code, beside.stderr]).toEqual([0, ""]);
      expect(
        await lab.sh(project, "cat notes/a.txt restored-*/notes/a.txt; ls -d restored-*/empty | wc -l"),
      ).toBe("two\none\n1\n");
      const over = await lab.hub.cli(
        "backup",
        "restore",
        project.project_id,
        "latest",
        "--path",
        "notes/a.txt",
        "--over",
      );
      expect(over.code).toBe(0);
      expect(await lab.sh(project, "cat notes/a.txt")).toBe("one\n");
      // Through the link the way leads to the jail's own /etc, where the project's user may write nothing.
      const through = await lab.hub.cli(
        "backup",
        "restore",
        project.project_id,
        "latest",
        "--path",
        "notes/deep",
        "--over",
      );
      expect(await lab.sh(project, "ls /etc/big 2>&1 || true")).toContain("No such file");
      expect(through.code === 0 || through.stderr.includes("backup.")).toBe(true);
    },
    SLOW,
  );

  test(
    "the whole project comes back as it was, by exact snapshot, and runs as before",
    async () => {
      const [first] = (await lab.list(project)).filter((one) => one.state === "proven").slice(-1);
      await lab.sh(project, "rm -rf notes empty sparse pipe restored-*; echo later > later");
      const restored = await lab.hub.cli("backup", "restore", project.project_id, first?.backup_id ?? "");
      expect(restored.stderr).toBe("");
      const now = await lab.hub.json<Project>("project", "show", project.project_id);
      expect(now.state).toBe("running");
      expect(await lab.sh(project, TREE)).toBe(tree);
    },
    SLOW,
  );

  test(
    "a drill restores it to nowhere and finds it as it was; a second backup reads little",
    async () => {
      const drilled = await lab.hub.cli("backup", "drill", "first");
      expect([drilled.code, drilled.stdout]).toEqual([0, expect.stringContaining("came back as they were")]);
      const again = await lab.backup(project);
      expect(again.state).toBe("proven");
      expect(again.added_bytes).toBeLessThan(200_000);
      expect((await lab.overview()).drills[0]?.state).toBe("passed");
    },
    SLOW,
  );

  test(
    "what changes while it is read: a snapshot stands still; where there is none it is told, with the names",
    async () => {
      await lab.sh(
        project,
        "setsid sh -c 'while [ ! -e enough ]; do date +%N >> busy.log; sleep 0.005; done' >/dev/null 2>&1 </dev/null & echo started",
      );
      const made = await lab.backup(project);
      await lab.sh(project, "touch enough; sleep 0.1; rm -f busy.log enough");
      const [host] = await lab.hub.json<Host[]>("host", "list");
      if (host?.report?.storage.kind === "btrfs") {
        // Read from a snapshot, where nothing changes.
        expect([made.state, made.left_out]).toEqual(["proven", []]);
        return;
      }
      expect(made.state).toBe("partial");
      expect(made.left_out.join()).toContain("busy.log");
      expect(made.problem?.code).toBe("backup.partial");
    },
    SLOW,
  );

  test(
    "doctor writes through the whole way and finds the file on the hub's disk; alarms are none",
    async () => {
      const report = await lab.hub.json<DoctorReport>("doctor");
      const of = (code: string) => report.checks.find((one) => one.code === code);
      expect(of("backup.sftp-write")).toMatchObject({ status: "ok" });
      expect(of("backup.jail")).toMatchObject({ status: "ok" });
      expect(of("backup.rustic")).toMatchObject({ status: "ok" });
      expect(readdirSync(lab.repository).filter((name) => name.startsWith("probe-"))).toEqual([]);
      expect((await lab.overview()).alarms).toEqual([]);
    },
    SLOW,
  );

  test(
    "a truncated index planted by a host stops nobody for long: it is put aside, and that is told",
    async () => {
      const name = "00".repeat(32);
      const planted = join(lab.repository, "index", name);
      writeFileSync(planted, "junk");
      const owner = statSync(lab.repository);
      await exec(["chown", `${owner.uid}:${owner.gid}`, planted]);
      chmodSync(planted, 0);
      await exec(["touch", "-d", "1 hour ago", planted]);
      const failed = await lab.backup(project);
      expect(failed.state).toBe("failed");
      expect(failed.problem?.why).toBeTruthy();
      // Verify sweeps first, and reads all that is left.
      const verified = await lab.hub.cli("backup", "verify");
      expect(verified.stderr).toBe("");
      expect(readdirSync(join(lab.repository, "index"))).not.toContain(name);
      expect((await lab.overview()).alarms.map((one) => one.code)).toContain("backup.quarantined");
      expect((await lab.backup(project)).state).toBe("proven");
    },
    SLOW,
  );

  test(
    "a prune of the hub leaves what is kept restorable, and its own files closed",
    async () => {
      const pruned = await lab.hub.cli("backup", "prune");
      expect(pruned.stderr).toBe("");
      for (const folder of ["index", "snapshots"])
        for (const name of readdirSync(join(lab.repository, folder)))
          expect(statSync(join(lab.repository, folder, name)).mode & 0o777).toBe(0o444);
      const drilled = await lab.hub.cli("backup", "drill", "first");
      expect(drilled.code).toBe(0);
    },
    SLOW,
  );

  test(
    "a timer's call prunes and reads back where that is due, once; a round does what no timer did, two hours on",
    async () => {
      const db = new Database(join(lab.hub.dataDir, "launchpad/hub.sqlite"));
      db.run("pragma busy_timeout = 5000");
      const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
      const due = async (verb: string) =>
        (await lab.hub.json<{ started: number }>("backup", verb, "--due")).started;
      const chores = [
        { verb: "prune", last: "pruned_at", every: 24 },
        { verb: "verify", last: "read_back_at", every: 7 * 24 },
      ] as const;
      for (const { verb, last, every } of chores) {
        const set = (hours: number) => db.run(`update backup_repositories set ${last} = ?`, [ago(hours)]);
        const done = async () => {
          const [one] = (await lab.overview()).repositories;
          return (one?.[last] ?? "") > ago(1);
        };
        set(every - 1);
        expect(await due(verb)).toBe(0);
        set(every + 1);
        // A round looks each minute, and leaves it.
        expect(await done()).toBe(false);
        await until(
          "the timer's call did it",
          async () => {
            const started = await due(verb);
            return started === 0 && (await done());
          },
          60_000,
        );
        set(every + 3);
        await until("a round did it", done, 90_000);
      }
      db.close();
    },
    3 * SLOW,
  );

  test(
    "before its host is upgraded a project that changed is backed up; where that fails nothing is upgraded",
    async () => {
      const upgrade = (...more: string[]) => lab.hub.cli("host", "upgrade", lab.host.name, ...more);
      await lab.sh(project, "date +%s%N > changed");
      // No unit runs this machine's services, which is found by the upgrade itself: after the backups.
      expect((await upgrade()).stderr).toContain("upgrade.no-units");
      expect((await lab.list(project))[0]).toMatchObject({ state: "proven", reason: "upgrade" });
      const away = `${lab.repository}.away`;
      renameSync(lab.repository, away);
      try {
        const refused = await upgrade();
        expect(refused.stderr).toContain("upgrade.not-backed-up");
        expect(refused.stderr).toContain(project.name);
        expect(refused.stderr).toContain("--without-backups");
      } finally {
        renameSync(away, lab.repository);
      }
      expect((await upgrade("--without-backups")).stderr).toContain("upgrade.no-units");
      expect((await lab.backup(project)).state).toBe("proven");
    },
    SLOW,
  );

  test(
    "the recovery sheet opens the repository without this software",
    async () => {
      const sheet = (await lab.hub.cli("backup", "recovery-sheet")).stdout;
      const password = /password {2}(\S+)/.exec(sheet)?.[1] ?? "";
      const listed = await exec(
        [
          join(import.meta.dir, "../../dist/rustic"),
          "-r",
          lab.repository,
          "--password",
          password,
          "snapshots",
          "--json",
        ],
        { env: { HOME: "/tmp" } },
      );
      expect(listed.stdout).toContain(`project-${project.project_id}`);
    },
    SLOW,
  );
});
