/**
 * What a newcomer's machine may lack or have wrong: each tried with the real binaries, and answered with cause and fix.
 * Kills and cut networks are in bad-days, the join line's own preflight in tunnel.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DoctorReport, Host, Project } from "../../src/contract/api.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { forgetWorlds, withoutCgroups, withoutProgram } from "../fixtures/broken-world.ts";
import {
  buildOnce,
  freeBasePort,
  HUB_BINARY,
  type RunningHub,
  startHub,
  until,
} from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;

describe.skipIf(!ROOT)("bad input (needs root: mount namespaces, loop devices)", () => {
  const dirs: string[] = [];
  const mounts: string[] = [];
  let hub: RunningHub | undefined;

  function newDir(): string {
    const dir = mkdtempSync(join(tmpdir(), "cc-bad-"));
    chmodSync(dir, 0o755);
    dirs.push(dir);
    return dir;
  }
  /** `up` that must not come up: what it says and its status. */
  async function fails(dataDir: string, options: { world?: string[]; basePort?: number } = {}) {
    await buildOnce();
    const base = String(options.basePort ?? freeBasePort());
    const argv = [HUB_BINARY, "up", "--product", "launchpad", "--data-dir", dataDir, "--base-port", base];
    const { code, stderr } = await exec([...(options.world ?? []), ...argv], { timeout: 40_000 });
    return { code, said: stderr };
  }
  /** A small disk of its own. */
  async function smallDisk(mib: number): Promise<string> {
    const dir = newDir();
    const image = join(dir, "disk");
    const at = join(dir, "at");
    mkdirSync(at);
    await execOk(["truncate", "-s", `${mib}M`, image]);
    await execOk(["mkfs.ext4", "-q", "-m", "0", image]);
    await execOk(["mount", "-o", "loop", image, at]);
    mounts.push(at);
    chmodSync(at, 0o755);
    return at;
  }
  async function end(): Promise<void> {
    await hub?.stop();
    hub = undefined;
  }

  afterEach(async () => {
    await end();
    for (const at of mounts.splice(0)) await execOk(["umount", at]);
  }, SLOW);
  afterAll(() => {
    forgetWorlds();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  });

  test(
    "a port in use: the process that holds it is named",
    async () => {
      const basePort = freeBasePort();
      const taken = Bun.spawn(["python3", "-m", "http.server", "--bind", "127.0.0.1", String(basePort)], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
      try {
        await until("it listens", () => fetch(`http://127.0.0.1:${basePort}`).then((one) => one.ok), 10_000);
        const { code, said } = await fails(newDir(), { basePort });
        expect(said).toContain("[port.in-use]");
        expect(said).toContain(`python3 (pid ${taken.pid}) holds it`);
        expect(said).toContain("--base-port");
        expect(code).toBe(69);
      } finally {
        taken.kill("SIGKILL");
      }
    },
    SLOW,
  );

  test(
    "no OpenSSH server: the package that brings it, before anything is made",
    async () => {
      const dir = newDir();
      const { code, said } = await fails(join(dir, "data"), { world: withoutProgram("/usr/sbin/sshd") });
      expect(said).toContain("[openssh.missing]");
      expect(said).toContain("apt-get install openssh-server");
      expect([code, readdirSync(dir)]).toEqual([69, []]);
    },
    SLOW,
  );

  test(
    "a data directory that the service user cannot reach, or on a read-only file system",
    async () => {
      const dir = newDir();
      mkdirSync(join(dir, "closed"), { mode: 0o700 });
      const closed = await fails(join(dir, "closed/data"));
      expect(closed.said).toContain("[data-dir.unreachable]");
      expect(closed.said).toContain("namei -m");
      expect(closed.code).toBe(78);
      const disk = await smallDisk(32);
      await execOk(["mount", "-o", "remount,ro", disk]);
      const readOnly = await fails(join(disk, "data"));
      expect(readOnly.said).toContain("[data-dir.unusable]");
      expect(readOnly.said).toContain("mounted read-only");
      expect(readOnly.code).toBe(73);
    },
    SLOW,
  );

  test(
    "a full disk: told at the start and while it runs; nothing is lost, and it goes on once there is room",
    async () => {
      const disk = await smallDisk(64);
      const filler = join(disk, "filler");
      const fill = async () => {
        await exec(["dd", "if=/dev/zero", `of=${filler}`, "bs=1M"]);
        await exec(["dd", "if=/dev/zero", `of=${filler}-2`, "bs=1k"]);
      };
      const free = () => {
        for (const file of [filler, `${filler}-2`]) rmSync(file, { force: true });
      };
      const dataDir = join(disk, "data");
      mkdirSync(dataDir, { mode: 0o755 });
      await fill();
      const { code, said } = await fails(dataDir);
      expect(said).toContain("The disk is full");
      expect([73, 74]).toContain(code);
      free();
      hub = await startHub({ dataDir, image: false });
      const password = join(disk, "password");
      writeFileSync(password, "correct horse battery\n");
      await hub.json("setup", "--email", "ada@example.com", "--password-file", password);
      await until(
        "its host is ready",
        async () => (await hub?.json<Host[]>("host", "list"))?.[0]?.state === "ready",
        30_000,
      );
      await hub.json("project", "create", "--name", "before");
      await fill();
      const refused = await until(
        "a change is refused as such",
        async () => {
          const tried = await hub?.cli("project", "create", "--name", "while full");
          return tried !== undefined && tried.code !== 0 && tried.stderr;
        },
        20_000,
      );
      expect(refused).toContain("[disk.full]");
      const report = JSON.parse((await hub.cli("doctor", "--json")).stdout) as DoctorReport;
      expect(report.checks.find((one) => one.code === "hub.disk")).toMatchObject({
        status: "fail",
        problem: { code: "hub.disk-low" },
      });
      free();
      await hub.json("project", "create", "--name", "after");
      const names = (await hub.json<Project[]>("project", "list")).map((one) => one.name);
      expect(names).toContain("before");
      expect(names).toContain("after");
    },
    SLOW,
  );

  test(
    "damaged state: a database is left as it is and named, a host's state is kept aside and the host is the same",
    async () => {
      const dataDir = newDir();
      hub = await startHub({ dataDir, image: false });
      const host = async () =>
        (await hub?.json<Host[]>("host", "list"))?.find(
          (one) => one.state !== "offline" && one.report !== null,
        );
      const before = await until("its host", host, 20_000);
      await end();
      writeFileSync(join(dataDir, "project-host/host.json"), '{"host_id":');
      hub = await startHub({ dataDir, image: false });
      expect((await until("its host", host, 20_000)).host_id).toBe(before.host_id);
      expect(
        readdirSync(join(dataDir, "project-host")).filter((name) => name.includes(".corrupt-")),
      ).toHaveLength(1);
      await end();
      const file = join(dataDir, "launchpad/hub.sqlite");
      const damaged = "this is no database, and long enough to be read as a header of one".repeat(20);
      writeFileSync(file, damaged);
      for (const more of ["-wal", "-shm"]) rmSync(file + more, { force: true });
      const { code, said } = await fails(dataDir);
      expect(said).toContain("[db.unusable]");
      expect(said).toContain("[hub.cannot-start]");
      expect([code, readFileSync(file, "utf8")]).toEqual([74, damaged]);
    },
    SLOW,
  );

  const worlds: [name: string, make: () => string[], problem: string][] = [
    ["no podman", () => withoutProgram("/usr/bin/podman"), "runtime.no-podman"],
    ["no cgroups delegated", withoutCgroups, "runtime.no-cgroups"],
  ];
  for (const [name, make, problem] of worlds) {
    test(
      `${name}: the hub runs, its host says what is missing, doctor too`,
      async () => {
        hub = await startHub({ wrap: make(), image: false });
        const host = await until(
          "its host says it",
          async () => (await hub?.json<Host[]>("host", "list"))?.find((one) => one.problem?.code === problem),
          30_000,
        );
        expect(host.state).toBe("degraded");
        expect(host.problem?.fix).toBeDefined();
        const report = JSON.parse((await hub.cli("doctor", "--json")).stdout) as DoctorReport;
        expect(report.checks.find((one) => one.code === "host.runtime")?.problem?.code).toBe(problem);
        expect(report.healthy).toBe(false);
        // What the hub made for itself is not undone by it.
        expect(existsSync(join(hub.dataDir, "launchpad/hub.sqlite"))).toBe(true);
      },
      SLOW,
    );
  }
});
