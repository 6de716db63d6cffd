/**
 * SSH as a person has it: a hub that really runs, a project in a real container, keys added over the API, stock
 * OpenSSH clients; on the hub's own machine and through the tunnel of a machine behind NAT.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry, DoctorReport, Host, Project } from "../../src/contract/api.ts";
import type { ProjectSsh, SshKey } from "../../src/contract/api-ssh.ts";
import { cleanEnv, exec } from "../../src/core/exec.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import { apiKeyOf } from "../fixtures/accounts.ts";
import { makeNatLab, type NatLab } from "../fixtures/nat-lab.ts";
import { type Joined, joinByPaste } from "../fixtures/pasted-line.ts";
import { processOf } from "../fixtures/processes.ts";
import { HUB_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;

describe.skipIf(!ROOT)("SSH into projects (needs root: podman, namespaces)", () => {
  let hub: RunningHub;
  let lab: NatLab;
  let dir: string;
  let apiKey: string;
  let near: Project;
  let joined: Joined | undefined;
  const held: Bun.Subprocess[] = [];
  const keys = { mine: generateKeyPair(), other: generateKeyPair(), bot: generateKeyPair() };

  /** `cocalc-hub` as that account, from another machine as far as it can tell: over HTTP with an API key. */
  const asAda = (...args: string[]) =>
    exec([HUB_BINARY, ...args], {
      env: { COCALC_URL: hub.url, COCALC_API_KEY: apiKey, HOME: dir },
      timeout: 60_000,
    });
  const json = async <T>(...args: string[]): Promise<T> => {
    const result = await asAda(...args, "--json");
    if (result.code !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  };
  const api = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${hub.url}/api${path}`, { headers: { authorization: `Bearer ${apiKey}` } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const key = (name: keyof typeof keys) => join(dir, name);
  /** ssh with the configuration that `ssh-config` wrote, and nothing else. */
  const ssh = (host: string, command: string[], extra: string[] = [], identity = key("mine")) => [
    "ssh",
    ...["-F", join(dir, ".ssh/config"), "-i", identity, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"],
    ...[
      "-o",
      `UserKnownHostsFile=${join(dir, ".ssh/known_hosts.cocalc")}`,
      "-o",
      "StrictHostKeyChecking=yes",
    ],
    ...["-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"],
    ...extra,
    host,
    ...command,
  ];
  const run = (argv: string[], stdin = "") => exec(argv, { stdin, timeout: 60_000, env: { HOME: dir } });

  async function project(name: string, hostId: string, start: boolean): Promise<Project> {
    const made = await hub.json<Project>("project", "create", "--name", name, "--host", hostId);
    if (start) await hub.json("project", "start", made.project_id);
    return await hub.json<Project>("project", "show", made.project_id);
  }

  /** Whatever else this machine lacks makes its status 1. */
  const doctor = async () => JSON.parse((await hub.cli("doctor", "--json")).stdout) as DoctorReport;

  beforeAll(async () => {
    lab = await makeNatLab();
    hub = await startHub();
    dir = mkdtempSync(join(tmpdir(), "cc-ssh-"));
    chmodSync(dir, 0o755);
    for (const [name, pair] of Object.entries(keys))
      writeFileSync(join(dir, name), encodePrivateKey(pair), { mode: 0o600 });
    const file = join(dir, "password");
    writeFileSync(file, "correct horse battery\n", { mode: 0o600 });
    await hub.json("setup", "--email", "ada@example.com", "--name", "Ada", "--password-file", file);
    const host = await until(
      "the local host is ready",
      async () => (await hub.json<Host[]>("host", "list")).find((one) => one.state === "ready"),
      30_000,
    );
    apiKey = await apiKeyOf(hub, "ada@example.com");
    near = await project("Near Project", host.host_id, true);
  }, SLOW);

  afterAll(async () => {
    for (const proc of held) proc.kill("SIGKILL");
    await joined?.end();
    await hub?.stop();
    await lab?.destroy();
    if (dir) rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "nobody comes in; a key is added and ssh-config written; then a command, sftp, rsync and git work by name",
    async () => {
      const refused = await run([
        ...["ssh", "-F", "none", "-i", key("mine"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"],
        ...["-o", "UserKnownHostsFile=/dev/null", "-p", String(hub.basePort + 100)],
        ...[`${near.project_id}@127.0.0.1`, "true"],
      ]);
      expect(refused.stderr).toContain("Permission denied (publickey)");

      writeFileSync(join(dir, "mine.pub"), `${keys.mine.publicLine} ada@laptop\n`);
      const added = await json<SshKey>("ssh-key", "add", join(dir, "mine.pub"));
      expect(added.name).toBe("ada@laptop");
      const listed = await execFingerprint(join(dir, "mine.pub"));
      expect(added.fingerprint).toBe(listed);

      mkdirSync(join(dir, ".ssh"), { mode: 0o700 });
      writeFileSync(join(dir, ".ssh/config"), "Host *\n  User wrong\n  Port 1\n");
      const wrote = await json<{ hosts: string[] }>("ssh-config");
      expect(wrote.hosts).toEqual(["near-project.cocalc"]);
      const config = readFileSync(join(dir, ".ssh/config"), "utf8");
      expect(config.endsWith("Host *\n  User wrong\n  Port 1\n")).toBe(true);
      const again = await json<{ changed: boolean }>("ssh-config");
      expect([again.changed, readFileSync(join(dir, ".ssh/config"), "utf8")]).toEqual([false, config]);

      const ran = await run(ssh("near-project.cocalc", ["id -un; pwd; echo err >&2; exit 7"]));
      expect(ran).toEqual({ stdout: "user\n/home/user\n", stderr: "err\n", code: 7 });

      writeFileSync(join(dir, "file"), "content");
      const rsh = ssh("x", []).slice(0, -1).join(" ");
      const synced = await run(["rsync", "-e", rsh, join(dir, "file"), "near-project.cocalc:rsynced"]);
      expect([synced.stderr, synced.code]).toEqual(["", 0]);
      const scp = ["scp", ...ssh("x", []).slice(1, -1)];
      const copied = await run([...scp, join(dir, "file"), "near-project.cocalc:copied"]);
      expect([copied.stderr, copied.code]).toEqual(["", 0]);
      const said = await run(
        ssh("near-project.cocalc", ["cat rsynced copied; git init -q --bare r.git && ls -d r.git"]),
      );
      expect(said.stdout).toBe("contentcontentr.git\n");
    },
    SLOW,
  );

  test("the API tells the exact command; the host key shown is the one that answers; doctor sees the banner", async () => {
    const told = await api<ProjectSsh>(`/projects/${near.project_id}/ssh`);
    expect(told.user).toBe(near.project_id);
    expect(told.gateway?.port).toBe(hub.basePort + 100);
    expect(told.gateway?.listening).toBe(true);
    const scan = await exec(["ssh-keyscan", "-p", String(told.gateway?.port), "127.0.0.1"]);
    expect(scan.stdout).toContain(told.gateway?.host_key ?? "no key");
    expect(told.your_keys[0]?.last_used_at).not.toBeNull();
    const report = await doctor();
    const check = report.checks.find((one) => one.code === "host.ssh");
    expect([check?.status, check?.value]).toEqual(["ok", `SSH-2.0-CoCalc on port ${hub.basePort + 100}`]);
  });

  test("logins are in the audit log with who, which key and from where", async () => {
    const entries = await until(
      "the login is told",
      async () => (await hub.json<AuditEntry[]>("audit", "list")).filter((one) => one.action === "ssh.login"),
      15_000,
    );
    expect(entries[0]?.actor).toBe("Ada");
    expect(entries[0]?.subject).toBe(near.project_id);
    expect(entries[0]?.detail).toMatchObject({ by: "account", from: "127.0.0.1" });
  });

  test(
    "a forward and a listener stay inside: neither reaches the host's own ports",
    async () => {
      const secret = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("SECRET") });
      const through = await run(
        ssh("near-project.cocalc", [], ["-W", `127.0.0.1:${secret.port}`]),
        "GET / HTTP/1.0\r\n\r\n",
      );
      expect(through.stdout).not.toContain("SECRET");
      const port = String(30_000 + Math.floor(Math.random() * 9_000));
      const proc = Bun.spawn(
        ssh("near-project.cocalc", ["sleep 30"], ["-R", `*:${port}:127.0.0.1:${secret.port}`]),
        {
          cwd: "/",
          env: cleanEnv({ HOME: dir }),
          stdin: "ignore",
          stdout: "ignore",
          stderr: "ignore",
        },
      );
      held.push(proc);
      await until(
        "the listener is there, in the project",
        async () =>
          (await run(ssh("near-project.cocalc", [`curl -s --max-time 5 http://127.0.0.1:${port}/`])))
            .stdout === "SECRET",
        15_000,
      );
      // Its own network namespace: on the machine itself nothing listens.
      const outside = await exec(["curl", "-s", "--max-time", "3", `http://127.0.0.1:${port}/`]);
      expect(outside.stdout).toBe("");
      proc.kill();
      secret.stop(true);
    },
    SLOW,
  );

  test(
    "a project's own key comes in until it is removed, which ends what is logged in; the project's own file counts too",
    async () => {
      writeFileSync(join(dir, "bot.pub"), keys.bot.publicLine);
      const bot = await json<SshKey>("ssh-key", "add", join(dir, "bot.pub"), "--project", near.project_id);
      // Added means that it counts: nobody waits for it.
      const live = Bun.spawn(ssh("near-project.cocalc", ["echo in; sleep 60"], [], key("bot")), {
        cwd: "/",
        env: cleanEnv({ HOME: dir }),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
      });
      held.push(live);
      const said = new TextDecoder().decode((await live.stdout.getReader().read()).value);
      expect(said).toBe("in\n");
      await json("ssh-key", "remove", bot.key_id, "--project", near.project_id);
      await Promise.race([live.exited, Bun.sleep(5_000)]);
      expect(live.exitCode).not.toBeNull();
      expect((await run(ssh("near-project.cocalc", ["true"], [], key("bot")))).code).toBe(255);

      const line = keys.other.publicLine;
      await run(ssh("near-project.cocalc", [`mkdir -p -m 700 .ssh; echo '${line}' > .ssh/authorized_keys`]));
      expect((await run(ssh("near-project.cocalc", ["echo own"], [], key("other")))).stdout).toBe("own\n");
    },
    SLOW,
  );

  test(
    "the jump through the hub's own SSH port: for a person's key, to the project, and nothing else",
    async () => {
      const dry = await asAda("ssh-config", "--dry-run", "--jump", "always");
      expect(dry.stdout).toContain("ProxyJump cocalc-jump-");
      const config = join(dir, "jump-config");
      // ssh reads what `-F` names for the jump as well; the known_hosts path of the block is below the real home.
      writeFileSync(
        config,
        `${dry.stdout}\nHost *\n  IdentityFile ${key("mine")}\n  IdentitiesOnly yes\n  BatchMode yes\n`.replaceAll(
          "~/.ssh/known_hosts.cocalc",
          join(dir, ".ssh/known_hosts.cocalc"),
        ),
      );
      const ran = await until(
        "the jump works",
        async () => {
          const result = await run([
            "ssh",
            "-F",
            config,
            "-o",
            "LogLevel=ERROR",
            "near-project.cocalc",
            "echo jumped",
          ]);
          if (result.code !== 0) throw new Error(result.stderr);
          return result;
        },
        15_000,
      );
      expect(ran.stdout).toBe("jumped\n");
      const jumper = /Host (cocalc-jump-\S+)/.exec(dry.stdout)?.[1] ?? "";
      const shell = await run(["ssh", "-F", config, "-o", "LogLevel=ERROR", jumper, "id"]);
      expect([shell.stdout, shell.code]).toEqual(["", 1]);
      const elsewhere = await run([
        "ssh",
        "-F",
        config,
        "-o",
        "LogLevel=ERROR",
        "-W",
        `127.0.0.1:${hub.basePort}`,
        jumper,
      ]);
      expect(elsewhere.code).not.toBe(0);
    },
    SLOW,
  );

  test(
    "kill -9 of the host daemon with live logins: they go on, as does the project, and people log in at every moment",
    async () => {
      const live = Bun.spawn(ssh("near-project.cocalc", ["while read line; do echo got $line; done"]), {
        cwd: "/",
        env: cleanEnv({ HOME: dir }),
        stdin: "pipe",
        stdout: "pipe",
        stderr: "ignore",
      });
      held.push(live);
      let heard = "";
      void (async () => {
        for await (const chunk of live.stdout) heard += new TextDecoder().decode(chunk);
      })();
      const answers = async (word: string) => {
        live.stdin.write(`${word}\n`);
        await live.stdin.flush();
        await until(`the session answers ${word}`, async () => heard.includes(`got ${word}\n`), 30_000);
      };
      await answers("before");
      const daemon = daemonOf(hub.dataDir);
      process.kill(daemon, "SIGKILL");
      await answers("without");
      expect((await run(ssh("near-project.cocalc", ["echo in"]))).stdout).toBe("in\n");
      await until(
        "another daemon runs",
        async () => ![undefined, daemon].includes(daemonOf(hub.dataDir)),
        30_000,
      );
      await until(
        "it is ready",
        async () => (await hub.json<Host[]>("host", "list")).some((one) => one.state === "ready"),
        30_000,
      );
      await answers("after");
      live.stdin.end();
      expect(await live.exited).toBe(0);
    },
    SLOW,
  );

  test(
    "a stopped project is started by a login, and the hub knows of it",
    async () => {
      await hub.json("project", "stop", near.project_id);
      const ran = await run(ssh("near-project.cocalc", ["echo up"]));
      expect([ran.stdout, ran.code]).toEqual(["up\n", 0]);
      expect(ran.stderr).toContain("cocalc: the project Near Project is stopped; starting it …");
      await until(
        "the hub has heard",
        async () => (await hub.json<Project>("project", "show", near.project_id)).state === "running",
        10_000,
      );
    },
    SLOW,
  );

  test(
    "the same through the tunnel of a machine behind NAT, also while the hub is dead",
    async () => {
      const hostDir = join(dir, "far");
      mkdirSync(hostDir, { mode: 0o755 });
      joined = await joinByPaste(hub, lab, hostDir);
      await project("far", joined.host.host_id, true);
      await until(
        "its host key is known",
        async () => (await json<{ hosts: string[] }>("ssh-config")).hosts.includes("far.cocalc"),
        15_000,
      );
      expect((await run(ssh("far.cocalc", ["cat; exit 3"]), "through the tunnel")).stdout).toBe(
        "through the tunnel",
      );
      const check = (await doctor()).checks.filter((one) => one.code === "host.ssh");
      expect(check.map((one) => one.status)).toEqual(["ok", "ok"]);
      const login = (await hub.json<AuditEntry[]>("audit", "list")).find((one) => one.action === "ssh.login");
      expect(login?.detail).toMatchObject({ from: "through the host's tunnel" });

      const serve = hubProcess(hub.dataDir);
      process.kill(serve, "SIGSTOP");
      try {
        expect((await run(ssh("far.cocalc", ["echo without the hub"]))).stdout).toBe("without the hub\n");
      } finally {
        process.kill(serve, "SIGCONT");
      }
    },
    SLOW * 2,
  );
});

async function execFingerprint(path: string): Promise<string> {
  return (await exec(["ssh-keygen", "-lf", path])).stdout.split(" ")[1] ?? "";
}

/** Of the processes of this hub, the one whose command line has these words. */
function pidOf(dataDir: string, words: string): number {
  const pid = processOf(dataDir, (argv) => argv.join(" ").includes(words))?.pid;
  if (pid === undefined) throw new Error(`no process like ${words}`);
  return pid;
}
const daemonOf = (dataDir: string) => pidOf(dataDir, "cocalc-project-host serve");
const hubProcess = (dataDir: string) => pidOf(dataDir, "cocalc-hub serve");
