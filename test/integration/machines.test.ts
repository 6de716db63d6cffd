/**
 * The hub signs in to a machine and makes it a host: each way in which that fails, met on a real sshd with real
 * profiles, sudo and package locks behind a real router, and said with its cause; and the way in which it works.
 * The one thing that is not real is `uname`, where the machine is to have another processor.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Host, Operation } from "../../src/contract/api.ts";
import type { Tombstone } from "../../src/contract/api-leaving.ts";
import type { Machine, MachineLook } from "../../src/contract/api-machines.ts";
import { createApiClient } from "../../src/contract/client.ts";
import { CodedError } from "../../src/core/errors.ts";
import { cleanEnv, execOk } from "../../src/core/exec.ts";
import { FAR_BASE_PORT } from "../fixtures/pasted-line.ts";
import { processesOf } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { makeSshMachine, type SshMachine } from "../fixtures/ssh-machine.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 180_000;

describe.skipIf(!ROOT)("the hub signs in to a machine (needs root: namespaces, sshd, podman)", () => {
  let hub: RunningHub;
  let machine: SshMachine;
  let api: ReturnType<typeof createApiClient>;
  let look: MachineLook;
  const as = (user: string, port = 22) => `${user}@${machine.address}:${port}`;

  async function codeOf(run: Promise<unknown>): Promise<string> {
    try {
      await run;
      return "it worked";
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      expect(error.details.why).toBeTruthy();
      expect(error.details.fix).toBeTruthy();
      return error.code;
    }
  }
  const ended = (id: string, limit = 120_000) =>
    until(
      "the operation ended",
      async () => {
        const one = await api.operations.get(id);
        return !["pending", "running"].includes(one.state) && one;
      },
      limit,
    );
  /** Runs to its end; the failing step has the same problem as the operation. */
  async function attempt(target: string, more: { password?: string } = {}): Promise<Operation> {
    const { host_key } = await api.machines.look(target);
    const started = await api.machines.add({ target, fingerprint: host_key.fingerprint, ...more });
    const done = await ended(started.operation_id);
    if (done.state === "failed") {
      expect(done.steps.find((step) => step.state === "failed")?.problem?.code).toBe(
        done.problem?.code ?? "",
      );
      expect(done.problem?.why).toBeTruthy();
      expect(done.problem?.fix).toBeTruthy();
    }
    return done;
  }
  const profile = (text: string) => writeFileSync(join(machine.home, ".bashrc"), text);

  beforeAll(async () => {
    machine = await makeSshMachine();
    hub = await startHub();
    const unix = join(hub.dataDir, "launchpad/run/hub.sock");
    api = createApiClient({
      base: "http://localhost",
      fetch: (url, init) => fetch(url, { ...init, unix } as RequestInit),
    });
  }, SLOW);
  afterAll(async () => {
    await machine?.confine(false);
    await machine?.destroy();
    await hub?.stop();
  }, SLOW);

  test(
    "before anybody signs in: no such name, no route, silence, a closed port, another protocol, a server that says nothing",
    async () => {
      await execOk(["ip", "route", "replace", "unreachable", `${machine.address.replace(/\d+$/, "77")}/32`]);
      const web = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      const mute = createServer(() => {});
      const portOf = async (server: typeof web) =>
        await new Promise<number>((resolve) =>
          server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
        );
      try {
        expect(await codeOf(api.machines.look("root@"))).toBe("machine.bad-target");
        expect(await codeOf(api.machines.look("root@no-such-name.invalid"))).toBe("machine.unknown-name");
        expect(await codeOf(api.machines.look(`root@${machine.address.replace(/\d+$/, "77")}`))).toBe(
          "machine.no-route",
        );
        expect(await codeOf(api.machines.look(as("root", 23)))).toBe("machine.no-ssh-server");
        expect(await codeOf(api.machines.look(`root@127.0.0.1:${await portOf(web)}`))).toBe(
          "machine.not-ssh",
        );
        expect(await codeOf(api.machines.look(`root@127.0.0.1:${await portOf(mute)}`))).toBe(
          "machine.not-ssh",
        );
        await machine.lab.cut();
        expect(await codeOf(api.machines.look(as("root")))).toBe("machine.no-answer");
      } finally {
        await machine.lab.heal();
        web.close();
        mute.close();
        await execOk(["ip", "route", "del", "unreachable", `${machine.address.replace(/\d+$/, "77")}/32`]);
      }
      look = await api.machines.look(as("root"));
      expect(look.host_key.fingerprint).toBe(await machine.fingerprint());
      expect(look.known_fingerprint).toBeNull();
    },
    SLOW,
  );

  test(
    "refused logins, no sudo, a sudo that asks, a profile that prints or leaves, another processor: each with cause and fix",
    async () => {
      const refused = await attempt(as("root"));
      expect(refused.problem?.code).toBe("machine.login-refused");
      expect(refused.problem?.command).toContain(look.hub_key);
      const { user, password } = machine;
      expect((await attempt(as(user), { password: "not this one" })).problem?.code).toBe(
        "machine.login-refused",
      );
      // The right password leaves the hub's key there; sudo then refuses a user who is in no list.
      expect((await attempt(as(user), { password })).problem?.code).toBe("machine.no-sudo");
      // With the key alone, sudo would ask.
      expect((await attempt(as(user))).problem?.code).toBe("machine.sudo-asks");
      profile("echo Maintenance on Friday.\nexit 3\n");
      const left = await attempt(as(user), { password });
      expect([left.problem?.code, left.problem?.why]).toEqual([
        "machine.shell-profile",
        expect.stringContaining("Maintenance on Friday.") as never,
      ]);
      const fake = join(machine.home, "fake-bin");
      mkdirSync(fake);
      writeFileSync(join(fake, "uname"), "#!/bin/sh\necho riscv64\n", { mode: 0o755 });
      profile(`printf 'welcome '\nPATH=${fake}:$PATH\n`);
      machine.sudo(true);
      const other = await attempt(as(user), { password });
      expect(other.problem?.code).toBe("machine.wrong-architecture");
      expect(other.problem?.why).toContain("riscv64");
      expect(other.steps.find((step) => step.name === "signed-in")?.detail).toContain("welcome");
      // The password is in no row of the database.
      const kept = ["hub.sqlite", "hub.sqlite-wal"].map((name) =>
        readFileSync(join(hub.dataDir, "launchpad", name), "latin1"),
      );
      expect(kept.join("")).toContain(as(user));
      expect(kept.join("")).not.toContain(password.slice(0, 10));
    },
    SLOW,
  );

  test(
    "the package lock is held: who holds it is said while it waits",
    async () => {
      machine.allowRoot(look.hub_key);
      const lock = join(machine.home, "lock-frontend");
      writeFileSync(lock, "");
      const holder = Bun.spawn(
        [
          "python3",
          "-c",
          "import fcntl, sys, time\nf = open(sys.argv[1], 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(600)",
          lock,
        ],
        { env: cleanEnv(), stdin: "ignore", stdout: "pipe", stderr: "ignore" },
      );
      try {
        await holder.stdout.getReader().read();
        // zstd is hidden there, so that a package is missing.
        const port = await machine.serveWith({
          "/var/lib/dpkg/lock-frontend": lock,
          "/usr/bin/zstd": "/dev/null",
        });
        const target = as("root", port);
        const { host_key } = await api.machines.look(target);
        const started = await api.machines.add({
          target,
          fingerprint: host_key.fingerprint,
          data_dir: machine.dataDir,
        });
        const detail = await until(
          "the installer waits",
          async () =>
            (await api.operations.get(started.operation_id)).steps.find(
              (step) =>
                step.name === "installed" && step.detail?.startsWith("waiting for another package manager"),
            )?.detail,
          60_000,
        );
        expect(detail).toContain(`python3 (pid ${holder.pid})`);
        await api.operations.cancel(started.operation_id);
        expect((await ended(started.operation_id)).state).toBe("cancelled");
      } finally {
        holder.kill();
        await holder.exited;
      }
      for (const one of processesOf(machine.dataDir)) process.kill(one.pid, "SIGKILL");
    },
    SLOW,
  );

  test(
    "a machine without a way to the hub joins with a password; the way that the hub holds comes back after it was cut",
    async () => {
      profile("");
      machine.sudo(true);
      await machine.confine(true);
      const { user, password } = machine;
      const target = as(user);
      const { host_key } = await api.machines.look(target);
      const started = await api.machines.add({
        target,
        fingerprint: host_key.fingerprint,
        password,
        base_port: Number(FAR_BASE_PORT),
        data_dir: machine.dataDir,
      });
      const done = await ended(started.operation_id, 150_000);
      expect(done.problem).toBeNull();
      expect(done.state).toBe("done");
      expect(done.steps.find((step) => step.name === "way")?.detail).toBe(
        "none of its own: the hub holds one open",
      );
      const mine = async () => (await api.machines.list()).find((one) => one.target === target) as Machine;
      const { host_id, machine_id } = await mine();
      expect((await mine()).link).toBe("up");
      const up = async () => {
        const host = await api.hosts.get(host_id ?? "");
        return host.tunnel.state === "up" && host;
      };
      const host: Host = await until("its tunnel is up", up, 60_000);
      expect(host.checklist.every((step) => step.state === "done")).toBe(true);
      // The connection is cut as a crash of ssh cuts it.
      const ssh = processesOf(`known-${machine_id}`).filter(({ argv }) => argv.includes("-R"));
      expect(ssh.length).toBe(1);
      const at = Date.now();
      for (const one of ssh) process.kill(one.pid, "SIGKILL");
      await until(
        "an echo goes round again",
        async () => {
          const now = await up();
          return (
            now && Date.parse(now.tunnel.last_echo_at ?? "") > at + 1_000 && (await mine()).link === "up"
          );
        },
        90_000,
      );
    },
    SLOW,
  );

  test(
    "taken out with its data kept, after a final backup and its own word; joined again, it brings its project along",
    async () => {
      const host = (await api.hosts.list()).find((one) => one.type.kind === "self-host") as Host;
      const secret = join(machine.home, "admin-password");
      writeFileSync(secret, "correct horse battery\n");
      await hub.json("setup", "--email", "ada@example.org", "--name", "Ada", "--password-file", secret);
      const made = await hub.cli("project", "create", "--name", "thesis", "--host", host.host_id);
      const project = made.stdout.trim();
      expect((await hub.cli("project", "start", project)).code).toBe(0);
      expect((await hub.cli("project", "exec", project, "--", "sh", "-c", "echo kept > ~/mark")).code).toBe(
        0,
      );
      const other = await hub.cli("project", "create", "--name", "scrap", "--host", host.host_id);
      const scrap = other.stdout.trim();
      const leftOf = (id: string) => execOk(["find", `${machine.dataDir}/project-host`, "-name", id]);
      expect((await hub.cli("project", "start", scrap)).code).toBe(0);
      expect((await hub.cli("project", "stop", scrap)).code).toBe(0);
      const dry = await hub.cli("host", "deprovision", host.host_id, "--dry-run");
      expect(dry.stdout).toContain(`remove    ${machine.dataDir}/project-host`);
      expect(dry.stdout).toContain("thesis (running): NO proven backup");
      expect(dry.stdout).toContain("Nothing was changed.");
      expect(processesOf(machine.dataDir).length).toBeGreaterThan(2);

      const backups = whyNoBackups() === undefined;
      const left = await hub.cli(
        ...["host", "deprovision", host.host_id, "--keep-data", "--json"],
        ...(backups ? [] : ["--without-backups"]),
      );
      expect([left.code, left.code === 0 ? "" : left.stderr]).toEqual([0, ""]);
      const stone = JSON.parse(left.stdout) as Tombstone;
      expect(stone.projects.map((one) => one.project_id).sort()).toEqual([project, scrap].sort());
      if (backups) expect(stone.projects.map((one) => one.last_proven)).not.toContain(null);
      const log = `/var/log/cocalc/left-${host.host_id}`;
      try {
        await until("its tombstone is written", async () => existsSync(`${log}.json`), 120_000);
        expect(readFileSync(`${log}.log`, "utf8")).toContain(
          `removed ${machine.dataDir}/project-host/host.json`,
        );
      } finally {
        for (const kind of ["log", "json"]) rmSync(`${log}.${kind}`, { force: true });
      }
      expect(processesOf(machine.dataDir).filter(({ argv }) => argv[1] !== "deprovision")).toEqual([]);
      expect((await api.hosts.list()).map((one) => one.host_id)).not.toContain(host.host_id);
      expect((await hub.cli("host", "gone")).stdout).toContain(host.name);
      const [unheld] = (await api.machines.list()).filter((one) => one.target === as(machine.user));
      expect([unheld?.link, unheld?.host_id]).toEqual(["none", null]);

      // The same machine again: another host to this hub, with a project whose host is gone.
      const target = as(machine.user);
      const { host_key } = await api.machines.look(target);
      const started = await api.machines.add({
        target,
        fingerprint: host_key.fingerprint,
        password: machine.password,
        base_port: Number(FAR_BASE_PORT),
        data_dir: machine.dataDir,
      });
      const joined = await ended(started.operation_id, 150_000);
      expect([joined.state, joined.problem]).toEqual(["done", null]);
      const again = (await api.hosts.list()).find((one) => one.type.kind === "self-host") as Host;
      expect(again.host_id).not.toBe(host.host_id);
      const { projects } = await api.found.list(again.host_id);
      expect(projects.map(({ name, state }) => [name, state]).sort()).toEqual([
        ["scrap", "homeless"],
        ["thesis", "homeless"],
      ]);
      expect(await leftOf(scrap)).toContain(scrap);
      // All at once is never by accident: a script has to name the host, and hears first what is lost of each.
      for (const name of [[], ["--name", "scrap"]]) {
        const refused = await hub.cli("host", "wipe", again.host_id, "--all", ...name);
        expect(refused.code).toBe(64);
        expect(refused.stderr).toContain("cli.not-confirmed");
        for (const id of [project, scrap]) expect(refused.stderr).toContain(id);
        expect(refused.stderr).toContain("newer here than its last proven backup is lost");
      }
      expect((await api.found.list(again.host_id)).projects.length).toBe(2);
      expect((await hub.cli("host", "adopt", again.host_id, project)).stdout.trim()).toBe(project);
      expect((await hub.cli("project", "start", project)).code).toBe(0);
      expect((await hub.cli("project", "exec", project, "--", "sh", "-c", "cat ~/mark")).stdout).toBe(
        "kept\n",
      );
      const wiped = await hub.json<{ wiped: string[] }>(
        ...["host", "wipe", again.host_id, "--all", "--name", again.name],
      );
      expect(wiped.wiped).toEqual([scrap]);
      expect((await api.found.list(again.host_id)).projects).toEqual([]);
      expect(await leftOf(scrap)).toBe("");
    },
    2 * SLOW,
  );

  test(
    "another host key afterwards: the hub sends nothing, says which was confirmed, and takes the new one once compared",
    async () => {
      const before = await machine.fingerprint();
      await machine.changeHostKey();
      const target = as(machine.user);
      const now = await api.machines.look(target);
      expect(now.known_fingerprint).toBe(before);
      expect(await codeOf(api.machines.add({ target, fingerprint: before }))).toBe(
        "machine.host-key-changed",
      );
      const [held] = (await api.machines.list()).filter((one) => one.target === target);
      expect(held?.fingerprint).toBe(before);
      const cli = await hub.cli("host", "add", target);
      expect([cli.code, cli.stderr]).toEqual([
        64,
        expect.stringContaining(now.host_key.fingerprint) as never,
      ]);
      expect(cli.stderr).toContain(`ANOTHER than the one that was confirmed before: ${before}`);
    },
    SLOW,
  );
});
