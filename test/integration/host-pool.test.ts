/** Projects of a real helper in a real pool: snapshots seen from inside, quota, restore, and projects from before it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../src/contract/project-client.ts";
import type { CodedError } from "../../src/core/errors.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import type { HostCore } from "../../src/host/core.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { createSnapshots } from "../../src/host/snapshots/snapshots.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";
import { HOST_BINARY } from "../fixtures/running-hub.ts";
import { hasSimpleQuotas, whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoHelper() ?? whyNoPool();

describe.skipIf(why !== undefined)(`projects in a pool${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: HelperLab;
  let manager: ProjectManager;
  const old = randomUUID();
  const id = randomUUID();
  beforeAll(async () => {
    lab = await startHelperLab();
    manager = await lab.manager();
    manager.start(lab.spec(old));
    await lab.until(manager, old, "running");
    await lab.makePool();
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
  }, 120_000);
  afterAll(async () => await lab?.stop(), 60_000);

  const run = async (project: string, command: string): Promise<string> => {
    const peer = lab.router.server(`project.${project}.exec`);
    const { stdout, stderr } = await runCommand(peer, project, { argv: ["sh", "-c", command] });
    return new TextDecoder().decode(stdout).trim() + new TextDecoder().decode(stderr).trim();
  };
  const snapshot = async (kind: "manual" | "schedule" = "manual") => {
    const { snapshot: made } = await lab.helper.call("snapshot.create", {
      project_id: id,
      kind,
      only_if_changed: false,
    });
    return made?.name ?? "";
  };

  test("a project from before the pool stays where it is and runs; a new one is in the pool", async () => {
    expect((await lab.helper.call("storage.space", { project_id: old })).kind).toBe("directory");
    expect((await lab.helper.call("storage.space", { project_id: id })).kind).toBe("btrfs");
    await run(old, "echo kept >~/note");
    await manager.stop(old);
    manager.start(lab.spec(old));
    await lab.until(manager, old, "running");
    expect(await run(old, "cat ~/note; sudo sh -c 'echo root >/etc/mark'; cat /etc/mark")).toBe("kept\nroot");
    const refused = lab.helper.call("snapshot.create", {
      project_id: old,
      kind: "manual",
      only_if_changed: false,
    });
    expect(await refused.catch((error: CodedError) => error.code)).toBe("storage.no-snapshots");
  }, 60_000);

  test("~/.snapshots appears while the project runs, read-only, with what was installed too", async () => {
    await run(id, "echo one >~/file; sudo sh -c 'echo conf >/etc/mine'");
    const name = await snapshot();
    await run(id, "echo two >~/file");
    expect(await run(id, `cat ~/.snapshots/${name}/file`)).toBe("one");
    expect(await run(id, `cat ~/.snapshots/.all/${name}/upper/etc/mine`)).toBe("conf");
    expect(await run(id, `echo x >~/.snapshots/${name}/file`)).toContain("Read-only");
    expect(await run(id, `sudo rm -rf ~/.snapshots/${name}`)).toContain("Read-only");
    await lab.helper.call("snapshot.remove", { project_id: id, name });
    expect(await run(id, "ls ~/.snapshots")).toBe("");
  }, 60_000);

  test.skipIf(!hasSimpleQuotas())(
    "a full quota is EDQUOT inside; the neighbour and the project's own sudo go on",
    async () => {
      await lab.helper.call("storage.set-quota", { project_id: id, bytes: 30 * 2 ** 20 });
      expect(await run(id, "head -c 60M /dev/urandom >~/big && sync ~/big")).toContain("quota");
      expect(await run(id, "sudo sh -c 'head -c 60M /dev/urandom >/opt/big && sync /opt/big'")).toContain(
        "quota",
      );
      expect(await run(id, "rm ~/big; sudo rm -f /opt/big; echo alive")).toBe("alive");
      await lab.helper.call("storage.set-quota", { project_id: id, bytes: null });
    },
    60_000,
  );

  test("all as it was: stopped, restored, started; a running project is refused", async () => {
    await run(id, "echo good >~/work; sudo sh -c 'echo good >/etc/work; rm -rf /usr/share/doc'");
    const name = await snapshot();
    await run(id, "rm ~/work; sudo rm /etc/work; sudo mkdir -p /usr/share/doc; echo new >~/added");
    const running = lab.helper.call("snapshot.restore", { project_id: id, name });
    expect(await running.catch((error: CodedError) => error.code)).toBe("project.running");
    await manager.stop(id);
    await lab.helper.call("snapshot.restore", { project_id: id, name });
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
    expect(await run(id, "cat ~/work /etc/work; ls /usr/share/doc ~/added")).toContain("good\ngood");
    expect(await run(id, "ls /usr/share/doc")).toContain("No such file");
    const { snapshots } = await lab.helper.call("snapshot.list", { project_id: id });
    const safety = snapshots.find(({ kind }) => kind === "safety")?.name;
    expect(await run(id, `cat ~/.snapshots/${safety}/added`)).toBe("new");
  }, 60_000);

  test("through the daemon: what differs, a file and a folder put back, all put back, the schedule", async () => {
    const parts = { helper: lab.helper, manager, router: lab.router, plain: false } as unknown as HostCore;
    const { handlers, due } = createSnapshots(parts);
    await run(
      id,
      "cd; mkdir -p tree/sub many; echo one >tree/sub/a; echo x >tree/gone; ln -s a tree/sub/link; chmod 0640 tree/sub/a; seq 100 | xargs -I{} touch many/{}",
    );
    const { name } = await handlers["snapshots.create"]({ project_id: id });
    await run(
      id,
      "cd; echo two >>tree/sub/a; rm tree/gone; mkdir tree/fresh; rm -r many; chmod 0600 .bashrc",
    );
    const files = await handlers["snapshots.files"]({ project_id: id, name, path: "tree", offset: 0 });
    expect(files.entries.map((one) => one.name)).toEqual(["sub", "gone"]);
    const { changes, more } = await handlers["snapshots.changes"]({ project_id: id, name, path: "" });
    expect(more).toBe(false);
    expect(changes.map(({ path, kind, folder }) => `${kind} ${path}${folder ? "/" : ""}`)).toEqual([
      "changed .bashrc",
      "removed many/",
      "added tree/fresh/",
      "removed tree/gone",
      "changed tree/sub/a",
    ]);
    const { safety } = await handlers["snapshots.restore"]({
      project_id: id,
      name,
      paths: ["tree/sub", "many"],
    });
    expect(await run(id, "cd tree; cat sub/a sub/link; stat -c %a sub/a; ls . ../many | wc -l; ls -A")).toBe(
      "one\none\n640\n105\nfresh\nsub",
    );
    expect(await run(id, `cat ~/.snapshots/${safety}/tree/sub/a`)).toBe("one\ntwo");
    for (const path of ["../../etc/passwd", "/etc/passwd", ".snapshots/x", "tree/none"]) {
      const failed = handlers["snapshots.restore"]({ project_id: id, name, paths: [path] });
      expect(await failed.catch((error: CodedError) => error.code)).toMatch(
        /^snapshot\.(outside-home|no-such-file)$/,
      );
    }
    await handlers["snapshots.restore"]({ project_id: id, name, paths: null });
    await lab.until(manager, id, "running");
    expect(await run(id, "cat ~/tree/gone; ls ~/tree")).toBe("x\ngone\nsub");
    await run(id, "echo more >~/more; sync");
    await exec(["btrfs", "filesystem", "sync", join(lab.dataDir, "project-host/storage/pool")]);
    const now = Date.now();
    expect(await due(now)).toBe(1);
    expect(await due(now)).toBe(0);
    const { snapshots, usage } = await handlers["snapshots.list"]({ project_id: id });
    expect(snapshots[0]?.kind).toBe("schedule");
    expect(usage?.live_bytes).toBeGreaterThan(0);
    const before = await handlers["snapshots.list"]({ project_id: old });
    expect([before.supported, before.snapshots, before.why?.includes("plain directory")]).toEqual([
      false,
      [],
      true,
    ]);
  }, 90_000);

  test("the timer's command leaves those whose turn it is not; without --due what changed is taken", async () => {
    await run(id, "echo again >~/again; sync");
    await exec(["btrfs", "filesystem", "sync", join(lab.dataDir, "project-host/storage/pool")]);
    const call = async (...flags: string[]) =>
      JSON.parse(
        await execOk([HOST_BINARY, "snapshot", "run", ...flags, "--data-dir", lab.dataDir, "--json"]),
      );
    // The daemon's turn was a moment ago; the project from before the pool has no snapshots.
    expect(await call("--due")).toEqual({ looked: 1, taken: 0, removed: 0, failed: 0 });
    expect(await call()).toEqual({ looked: 1, taken: 1, removed: 0, failed: 0 });
    const { snapshots } = await lab.helper.call("snapshot.list", { project_id: id });
    expect(await run(id, `cat ~/.snapshots/${snapshots.at(-1)?.name}/again`)).toBe("again");
  }, 60_000);

  test("what a project puts in the place of ~/.snapshots is moved aside, not followed", async () => {
    await manager.stop(id);
    const { data } = await lab.helper.call("storage.space", { project_id: id });
    await exec(["rmdir", join(data, "home/.snapshots")]);
    await exec(["ln", "-s", "/etc", join(data, "home/.snapshots")]);
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
    expect(await run(id, "readlink ~/.snapshots-moved-*; ls -d ~/.snapshots/20*")).toContain("/etc");
    expect(existsSync("/etc/.all")).toBe(false);
  }, 60_000);

  test("the helper is killed: project and pool are taken over", async () => {
    process.kill(lab.helperPid(), "SIGKILL");
    await lab.startHelper();
    expect(await run(id, "echo alive")).toBe("alive");
    expect((await lab.helper.call("storage.facts", {})).kind).toBe("btrfs");
    expect(await snapshot()).not.toBe("");
  }, 60_000);

  test("removed: subvolumes, snapshots and all", async () => {
    await run(id, "btrfs subvolume create ~/mine 2>/dev/null || mkdir ~/mine");
    expect(await manager.remove(id)).toBe(true);
    const { stdout } = await exec([
      "btrfs",
      "subvolume",
      "list",
      join(lab.dataDir, "project-host/storage/pool"),
    ]);
    expect(stdout).not.toContain(id);
  }, 60_000);
});
