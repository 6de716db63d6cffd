/**
 * Projects change their place by way of proven backups, between two real hosts of one hub; and a hub that is gone comes
 * back from its repository, with accounts, projects, hosts that connect by themselves, and backups.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account, Host, Project } from "../../src/contract/api.ts";
import { exec } from "../../src/core/exec.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { HUB_BINARY, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { joinSecondHost, type SecondHost } from "../fixtures/second-host.ts";

const SLOW = 180_000;
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: moves and recovery: ${WHY}`);

describe.skipIf(WHY !== undefined)("places of projects", () => {
  let lab: BackupLab;
  let second: Host;
  let project: Project;
  let tree: string;
  let other: SecondHost;
  let otherDir: string;
  const show = () => lab.hub.json<Project>("project", "show", project.project_id);

  beforeAll(async () => {
    lab = await openBackupLab();
    other = await joinSecondHost(lab.hub);
    otherDir = other.dataDir;
    second = other.host;
    const made = await lab.hub.json<Project>(
      "project",
      "create",
      "--name",
      "wanderer",
      "--host",
      lab.host.host_id,
    );
    await lab.hub.json("project", "start", made.project_id);
    project = await lab.hub.json<Project>("project", "show", made.project_id);
    await lab.sh(project, "mkdir -p notes && echo one > notes/a && ln -s a notes/link && chmod 640 notes/a");
    tree = await lab.sh(project, TREE);
  }, SLOW);
  afterAll(async () => {
    await other?.remove();
    await lab?.hub.stop();
  }, SLOW);

  test(
    "moved to a host behind a tunnel that never had it: it runs there as before, and its old place is empty",
    async () => {
      const moved = await lab.hub.cli("project", "move", project.project_id, "--to", second.name);
      expect(moved.stderr).toBe("");
      const now = await show();
      expect([now.host_id, now.state]).toEqual([second.host_id, "running"]);
      expect(await lab.sh(now, TREE)).toBe(tree);
      expect(existsSync(join(lab.hub.dataDir, "project-host/storage/projects", project.project_id))).toBe(
        false,
      );
      // Its backups go on from there, over the tunnel's way.
      expect(await lab.backup(now)).toMatchObject({ state: "proven", host_id: second.host_id });
    },
    SLOW,
  );

  test(
    "its host is drained with --move: what runs there runs elsewhere, what is stopped lies elsewhere, and nothing new comes",
    async () => {
      const made = await lab.hub.json<Project>(
        "project",
        "create",
        "--name",
        "sleeper",
        "--host",
        second.name,
      );
      await lab.hub.json("project", "start", made.project_id);
      await lab.sh(made, "echo asleep > mark");
      await lab.hub.json("project", "stop", made.project_id);
      const drained = await lab.hub.cli("host", "drain", second.name, "--move");
      expect([drained.code, drained.code === 0 ? "" : drained.stderr]).toEqual([0, ""]);
      const sleeper = await lab.hub.json<Project>("project", "show", made.project_id);
      expect([sleeper.host_id, sleeper.state]).toEqual([lab.host.host_id, "stopped"]);
      expect([(await show()).host_id, (await show()).state]).toEqual([lab.host.host_id, "running"]);
      expect(await lab.sh(await show(), TREE)).toBe(tree);
      const late = await lab.hub.cli("project", "create", "--name", "late", "--host", second.name);
      expect(late.stderr).toContain("host.draining");
      await lab.hub.json("host", "drain", second.name, "--end");
      await lab.hub.json("project", "start", made.project_id);
      expect(await lab.sh(sleeper, "cat mark")).toBe("asleep\n");
      await lab.hub.json("project", "delete", made.project_id);
      // Back again, for what follows.
      await lab.hub.json("project", "move", project.project_id, "--to", second.name);
    },
    SLOW,
  );

  test(
    "cloned, and folders copied from one project into another",
    async () => {
      const id = (
        await lab.hub.cli("project", "clone", project.project_id, "--name", "twin", "--to", lab.host.name)
      ).stdout.trim();
      await lab.hub.json("project", "start", id);
      const twin = await lab.hub.json<Project>("project", "show", id);
      expect(twin.host_id).toBe(lab.host.host_id);
      expect(await lab.sh(twin, TREE)).toBe(tree);
      const copied = await lab.hub.cli(
        "project",
        "copy",
        id,
        "--from",
        project.project_id,
        "--path",
        "notes",
      );
      expect(copied.stderr).toBe("");
      expect(await lab.sh(twin, "cat copied-*/notes/a")).toBe("one\n");
    },
    SLOW,
  );

  test(
    "archived it is in the repository alone; brought back to the other host it is what it was",
    async () => {
      expect((await lab.hub.cli("project", "archive", project.project_id)).stderr).toBe("");
      expect(await show()).toMatchObject({ state: "archived", host_id: null });
      expect(
        (await lab.hub.cli("project", "unarchive", project.project_id, "--to", lab.host.name)).stderr,
      ).toBe("");
      await lab.hub.json("project", "start", project.project_id);
      expect(await lab.sh(await show(), TREE)).toBe(tree);
    },
    SLOW,
  );

  test.skipIf(process.env.COCALC_TEST_LONG === undefined)(
    "one on its host's own programs takes along what it installed; to a host with the same ones nothing is asked",
    async () => {
      await lab.hub.json(
        "project",
        "create",
        "--name",
        "own",
        "--image",
        "system",
        "--host",
        lab.host.host_id,
      );
      const own = async () => await lab.hub.json<Project>("project", "show", "own");
      await lab.hub.json("project", "start", "own");
      await lab.sh(
        await own(),
        "echo 'echo mine' | sudo tee /usr/bin/mine /etc/mine >/dev/null; sudo chmod 755 /usr/bin/mine; sudo rm -r /usr/share/doc/bash",
      );
      const state = "mine; cat /etc/mine; test -e /usr/share/doc/bash || echo gone; stat -c %U /usr/bin/mine";
      const wanted = "mine\necho mine\ngone\nroot\n";
      expect(await lab.sh(await own(), state)).toBe(wanted);
      expect((await lab.hub.cli("project", "move", "own", "--to", second.name)).stderr).toBe("");
      expect((await own()).host_id).toBe(second.host_id);
      expect(await lab.sh(await own(), state)).toBe(wanted);
      expect((await lab.hub.cli("project", "archive", "own")).stderr).toBe("");
      expect((await lab.hub.cli("project", "unarchive", "own", "--to", lab.host.name)).stderr).toBe("");
      await lab.hub.json("project", "start", "own");
      expect(await own()).toMatchObject({ state: "running", problem: null });
      expect(await lab.sh(await own(), state)).toBe(wanted);
      await lab.hub.json("project", "delete", "own");
    },
    SLOW,
  );

  test(
    "its host is away: the age of the last proven backup is told first, then it goes on elsewhere",
    async () => {
      expect((await lab.hub.cli("project", "move", project.project_id, "--to", second.name)).stderr).toBe("");
      expect((await lab.backup(await show())).state).toBe("proven");
      await other.kill();
      await until(
        "the second host is away",
        async () => (await lab.hub.json<Host>("host", "show", second.host_id)).state === "offline",
        60_000,
      );
      const asked = await lab.hub.cli("project", "move", project.project_id, "--to", lab.host.name);
      expect(asked.stderr).toContain("move.host-away");
      expect(asked.stderr).toContain("The last proven backup is of");
      const moved = await lab.hub.cli(
        "project",
        "move",
        project.project_id,
        "--to",
        lab.host.name,
        "--from-backup",
      );
      expect(moved.stderr).toBe("");
      expect(await lab.sh(await show(), TREE)).toBe(tree);
      // Back again, it is told to stop what it still ran; its files are kept.
      other.start();
      await until(
        "the second host is back",
        async () => (await lab.hub.json<Host>("host", "show", second.host_id)).state === "ready",
        90_000,
      );
      expect((await show()).host_id).toBe(lab.host.host_id);
    },
    SLOW,
  );

  test(
    "the hub is gone; from its repository and its sheet it comes back, and its host connects by itself",
    async () => {
      const sheet = (await lab.hub.cli("backup", "recovery-sheet")).stdout;
      const take = (name: string, pattern: RegExp) =>
        writeFileSync(join(otherDir, name), pattern.exec(sheet)?.[1] ?? "", { mode: 0o600 });
      take("password", /password {2}(\S+)/);
      take("key", /recovery key {2}(\S+)/);
      expect((await lab.hub.cli("backup", "hub")).stderr).toBe("");
      // Newer than what the hub's own backup knows of.
      expect((await lab.backup(await show())).state).toBe("proven");
      const backups = (await lab.list(project)).filter((one) => one.snapshot_id !== null).length;
      const { dataDir, basePort } = lab.hub;
      // Kept beside: the hub's own directory is lost, the repository's disk and the host are not.
      const kept = join(dataDir, "kept/shared");
      cpSync(lab.repository, kept, { recursive: true });
      chmodSync(join(dataDir, "kept"), 0o755);
      await lab.hub.stop({ keep: true });
      rmSync(join(dataDir, "launchpad"), { recursive: true, force: true });
      const wrong = await exec([
        HUB_BINARY,
        "recover",
        "--from",
        kept,
        "--password-file",
        join(otherDir, "password"),
        "--key-file",
        join(otherDir, "password"),
        "--data-dir",
        dataDir,
      ]);
      expect(wrong.stderr).toContain("recover.wrong-key");
      const recovered = await exec(
        [
          HUB_BINARY,
          "recover",
          "--from",
          kept,
          "--password-file",
          join(otherDir, "password"),
          "--key-file",
          join(otherDir, "key"),
          "--data-dir",
          dataDir,
          "--json",
        ],
        { timeout: 120_000 },
      );
      expect(recovered.stderr).toBe("");
      expect(JSON.parse(recovered.stdout)).toMatchObject({ accounts: 1, hosts: 2 });
      await exec(["chown", "-R", "cocalc:", kept]);
      const again = await exec([
        HUB_BINARY,
        "recover",
        "--from",
        "/nowhere",
        "--key-file",
        join(otherDir, "key"),
        "--data-dir",
        dataDir,
      ]);
      expect(again.code).not.toBe(0);
      lab.hub = await startHub({ dataDir, basePort });
      expect((await lab.hub.json<Account[]>("user", "list")).map((one) => one.email)).toEqual([
        "ada@example.com",
      ]);
      await until(
        "its host is ready again, without pairing",
        async () => (await lab.hub.json<Host>("host", "show", lab.host.host_id)).state === "ready",
        60_000,
      );
      // Those that were made since the hub's own last backup are found in the repository, and named for what they are.
      await until(
        "all backups are known",
        async () => (await lab.list(project)).filter((one) => one.snapshot_id !== null).length >= backups,
        90_000,
      );
      await lab.hub.json("project", "start", project.project_id);
      expect(await lab.sh(await show(), TREE)).toBe(tree);
      // And its backups go on, in the repository where it is now.
      expect((await lab.backup(await show())).state).toBe("proven");
      const { hub } = lab;
      const stop = async () => {
        await hub.stop();
        await removeDataDir(dataDir);
      };
      lab.hub = { ...hub, stop };
    },
    SLOW,
  );
});
