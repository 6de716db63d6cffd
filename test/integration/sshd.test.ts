/** What each kind of key can do at the real sshd: nothing but its one purpose. Prints the table. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cleanEnv, exec } from "../../src/core/exec.ts";
import { endRevokedSessions } from "../../src/hub/sshd/files.ts";
import { findProgram } from "../../src/hub/sshd/programs.ts";
import { liveSessions, recordedSession } from "../../src/hub/sshd/sessions.ts";
import { signalFound } from "../fixtures/processes.ts";
import { KINDS, type RealSshd, startRealSshd } from "../fixtures/real-sshd.ts";
import { until } from "../fixtures/running-hub.ts";

const SLOW = 120_000;
const MARK = "PWNED-42";
const SECRET = "this came from a port nobody may reach";

let sshd: RealSshd;
let secret: Bun.TCPSocketListener<undefined>;
let hub: Bun.TCPSocketListener<undefined>;
let unixSecret: Bun.UnixSocketListener<undefined>;
const held: { pid: number; kill: (signal: "SIGKILL") => void; exited: Promise<number> }[] = [];

/** A long-lived ssh; ended with the test. */
function hold(argv: string[]) {
  const proc = Bun.spawn(argv, {
    cwd: "/",
    env: cleanEnv(),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  held.push(proc);
  return proc;
}
const listens = async (port: number) =>
  await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })
    .then((socket) => {
      socket.end();
      return true;
    })
    .catch(() => false);

beforeAll(async () => {
  sshd = await startRealSshd();
  const says = (text: string) => ({
    open(socket: { write(text: string): unknown; end(): unknown }) {
      socket.write(text);
      socket.end();
    },
    data() {},
  });
  secret = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: says(SECRET) });
  hub = Bun.listen({ hostname: "127.0.0.1", port: sshd.ports.https, socket: says("the hub") });
  unixSecret = Bun.listen({ unix: join(sshd.dir, "secret.sock"), socket: says(SECRET) });
  await exec(["chmod", "777", join(sshd.dir, "secret.sock")]);
}, SLOW);

afterAll(async () => {
  for (const proc of held) proc.kill("SIGKILL");
  await Promise.all(held.map((proc) => proc.exited));
  for (const server of [secret, hub, unixSecret]) server?.stop(true);
  await sshd?.stop();
}, SLOW);

interface Attack {
  name: string;
  /** Resolves to what was won, or null when refused. */
  run(key: string): Promise<string | null>;
}

const remote = (name: string, spec: () => string): Attack => ({
  name,
  async run(key) {
    const { code, stderr } = await sshd.run(
      sshd.ssh(key, ["-N", "-o", "ExitOnForwardFailure=yes", "-R", spec()]),
      // Granted, it stays until the time limit.
      { timeout: key === sshd.keys.plain ? 3_000 : 8_000 },
    );
    // 137: still there after the time limit, so the forward was granted.
    if (code === 255 && /forwarding failed|Permission denied/.test(stderr)) return null;
    return `status ${code}: ${stderr.trim()}`;
  },
});
const reach = (name: string, target: () => string): Attack => ({
  name,
  async run(key) {
    const { stdout } = await sshd.run(sshd.ssh(key, ["-W", target()]));
    return stdout === "" ? null : stdout.slice(0, 60);
  },
});
const mark = (text: string) => (text.includes(MARK) ? text.slice(0, 80) : null);

const attacks: Attack[] = [
  {
    name: "a shell, commands on its standard input",
    run: async (key) =>
      mark((await sshd.run(sshd.ssh(key), { stdin: "echo PWNED-$((6*7))\nexit\n" })).stdout),
  },
  {
    name: "a command",
    run: async (key) => mark((await sshd.run(sshd.ssh(key, [], ["echo PWNED-$((6*7))"]))).stdout),
  },
  {
    name: "a command in place of takeover's argument",
    run: async (key) => mark((await sshd.run(sshd.ssh(key, [], ["takeover; echo PWNED-$((6*7))"]))).stdout),
  },
  {
    name: "a pseudo-terminal",
    async run(key) {
      const { stderr } = await sshd.run(sshd.ssh(key, ["-tt"]));
      return /PTY allocation request failed|Permission denied/.test(stderr) ? null : stderr.slice(0, 80);
    },
  },
  {
    name: "sftp: read /etc/passwd",
    async run(key) {
      const argv = sshd.ssh(key).slice(1, -1).join(" ").replace(" -p ", " -P ").split(" ");
      const to = `${key}.passwd`;
      await sshd.run(["sftp", ...argv, "-b", "-", `${sshd.user}@127.0.0.1`], {
        stdin: `get /etc/passwd ${to}\n`,
      });
      return existsSync(to) ? "the file came" : null;
    },
  },
  {
    name: "sftp by its program",
    async run(key) {
      const argv = sshd.ssh(key).slice(1, -1).join(" ").replace(" -p ", " -P ").split(" ");
      const to = `${key}.stolen`;
      await sshd.run(
        ["sftp", ...argv, "-s", findProgram("sftp-server"), "-b", "-", `${sshd.user}@127.0.0.1`],
        { stdin: `get /etc/passwd ${to}\n` },
      );
      return existsSync(to) ? "the file came" : null;
    },
  },
  {
    name: "scp, the old protocol: write a file",
    async run(key) {
      const argv = sshd.ssh(key).slice(1, -1).join(" ").replace(" -p ", " -P ").split(" ");
      const from = join(sshd.dir, "evil");
      const to = join(sshd.dir, "drop", basename(key));
      writeFileSync(from, "evil");
      await sshd.run(["scp", "-O", ...argv, from, `${sshd.user}@127.0.0.1:${to}`]);
      return existsSync(to) ? "the file was written" : null;
    },
  },
  remote("-R its HTTP port on every address", () => `0.0.0.0:${sshd.ports.http}:127.0.0.1:1`),
  remote("-R its SSH port on loopback", () => `127.0.0.1:${sshd.ports.ssh}:127.0.0.1:1`),
  remote("-R another port", () => `127.0.0.1:${sshd.ports.http + 1}:127.0.0.1:1`),
  remote("-R the hub's own port", () => `127.0.0.1:${sshd.ports.https}:127.0.0.1:1`),
  remote("-R port 0", () => "127.0.0.1:0:127.0.0.1:1"),
  remote("-R *", () => `*:${sshd.ports.http}:127.0.0.1:1`),
  remote("-R localhost", () => `localhost:${sshd.ports.http}:127.0.0.1:1`),
  remote("-R a unix socket", () => `${sshd.dir}/evil.sock:127.0.0.1:1`),
  remote("-R dynamic, another port", () => `127.0.0.1:${sshd.ports.http + 2}`),
  reach("-L another loopback port", () => `127.0.0.1:${secret.port}`),
  reach("-L the same by name", () => `localhost:${secret.port}`),
  reach("-L sshd itself", () => `127.0.0.1:${sshd.port}`),
  remote("-R where a person's key leads", () => `127.0.0.1:${sshd.ports.jump}:127.0.0.1:1`),
  remote("-R by the name that a person's key allows", () => "no-listen.invalid:1:127.0.0.1:1"),
  {
    name: "-L a unix socket",
    async run(key) {
      const port = 61_000 + Math.floor(Math.random() * 4000);
      const proc = hold(sshd.ssh(key, ["-N", "-L", `127.0.0.1:${port}:${sshd.dir}/secret.sock`]));
      const end = Date.now() + 3_000;
      let got = "";
      while (got === "" && Date.now() < end && proc.exitCode === null) {
        got = (await exec(["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; timeout 1 cat <&3`])).stdout;
        await Bun.sleep(200);
      }
      proc.kill("SIGKILL");
      return got === "" ? null : got;
    },
  },
  {
    name: "agent and X11 forwarding, an environment of its own",
    async run(key) {
      const proc = hold(
        sshd.ssh(key, ["-A", "-X", "-o", "SetEnv=LD_PRELOAD=/tmp/evil.so", "-o", "ForwardX11Trusted=yes"]),
      );
      proc.stdin.write("x\n");
      await proc.stdin.flush();
      await Bun.sleep(1_500);
      const won = liveSessions(sshd.port)
        .flatMap((session) => session.pids)
        .flatMap((pid) => childrenOf(pid))
        .map((pid) => environ(pid))
        .flatMap((env) => /\b(SSH_AUTH_SOCK|DISPLAY|LD_PRELOAD)=/.exec(env)?.[1] ?? []);
      proc.kill("SIGKILL");
      await proc.exited;
      return won.length > 0 ? won.join(" ") : null;
    },
  },
];

function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, "utf8")
          .replace(/^.*\) . /s, "")
          .startsWith(`${pid} `);
      } catch {
        return false;
      }
    })
    .map(Number);
}
function environ(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").replaceAll("\0", "\n");
  } catch {
    return "";
  }
}

describe("what a key must not win", () => {
  test(
    "no kind of key wins anything",
    async () => {
      const rows: string[] = [];
      const won: string[] = [];
      const works: string[] = [];
      for (const attack of attacks) {
        const results = await Promise.all(KINDS.map((kind) => attack.run(sshd.keys[kind])));
        rows.push(
          `${attack.name.padEnd(52)}${results.map((result) => (result === null ? "refused" : "WON").padEnd(10)).join("")}`,
        );
        for (const [index, result] of results.entries()) {
          if (result === null) continue;
          if (KINDS[index] === "plain") works.push(attack.name);
          else won.push(`${KINDS[index]}: ${attack.name}: ${result}`);
        }
      }
      console.log(
        `${"".padEnd(52)}${KINDS.map((kind) => kind.slice(0, 9).padEnd(10)).join("")}\n${rows.join("\n")}`,
      );
      expect(won).toEqual([]);
      // What sshd's configuration refuses to any key at all.
      const refusedToAll = attacks.map((attack) => attack.name).filter((name) => !works.includes(name));
      expect(refusedToAll).toEqual([
        "sftp: read /etc/passwd",
        // taken already by the hub itself
        "-R the hub's own port",
        "-R a unix socket",
        // it cannot be resolved
        "-R by the name that a person's key allows",
        "-L a unix socket",
        "agent and X11 forwarding, an environment of its own",
      ]);
    },
    SLOW,
  );
});

describe("what a key is for", () => {
  const forwards = () => [
    ...["-R", `127.0.0.1:${sshd.ports.http}:127.0.0.1:1`],
    ...["-R", `0.0.0.0:${sshd.ports.ssh}:127.0.0.1:1`],
  ];

  test("pairing: its forced command answers, whatever command was asked", async () => {
    const { stdout, code } = await sshd.run(sshd.ssh(sshd.keys.pairing, [], ["id"]), { stdin: "{}" });
    expect([stdout.trim(), code]).toEqual(['{"answer":"live"}', 0]);
  });

  test("a person's key: through to the SSH port it names, by -W and as a jump host; no other, and a word instead of a shell", async () => {
    const says = (text: string) => ({
      open(socket: { write(text: string): unknown; end(): unknown }) {
        socket.write(text);
        socket.end();
      },
      data() {},
    });
    const gateway = Bun.listen({ hostname: "127.0.0.1", port: sshd.ports.jump, socket: says("a gateway") });
    const { jump } = sshd.keys;
    expect((await sshd.run(sshd.ssh(jump, ["-W", `127.0.0.1:${sshd.ports.jump}`]))).stdout).toBe("a gateway");
    for (const port of [sshd.ports.https, sshd.ports.http, sshd.port, secret.port])
      expect((await sshd.run(sshd.ssh(jump, ["-W", `127.0.0.1:${port}`]))).stdout).toBe("");
    const shell = await sshd.run(sshd.ssh(jump), { stdin: "echo in\n" });
    expect([shell.stdout, shell.code]).toEqual(["", 1]);
    expect(shell.stderr).toContain("only leads on to projects");
    gateway.stop(true);
  }, 30_000);

  test("tunnel: both ports, the hub's HTTPS, an echo; a second session waits until it takes over", async () => {
    const { tunnel } = sshd.keys;
    const argv = sshd.ssh(tunnel, ["-o", "ExitOnForwardFailure=yes", ...forwards()]);
    const first = hold(argv);
    first.stdin.write("beat\n");
    await first.stdin.flush();
    const { value } = await first.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("beat\n");
    expect(await listens(sshd.ports.http)).toBe(true);
    expect(await listens(sshd.ports.ssh)).toBe(true);
    const reached = await sshd.run(sshd.ssh(tunnel, ["-W", `127.0.0.1:${sshd.ports.https}`]));
    expect(reached.stdout).toBe("the hub");

    const second = await sshd.run(argv);
    expect(second.code).toBe(255);
    expect(second.stderr).toContain("remote port forwarding failed");
    const took = await sshd.run(sshd.ssh(tunnel, [], ["takeover"]));
    expect(took.stdout.trim()).toBe("ended");
    await first.exited;
    const third = hold(argv);
    await until("the third binds", async () => await listens(sshd.ports.http), 5_000);
    third.kill("SIGKILL");
  }, 30_000);

  test("a takeover spares a process that only has the recorded number", async () => {
    const bystander = hold(["sleep", "60"]);
    writeFileSync(join(sshd.paths.run, `tunnel-${sshd.hostId}`), `${bystander.pid} 12345\n`);
    await exec(["chown", `${sshd.user}:`, join(sshd.paths.run, `tunnel-${sshd.hostId}`)]);
    const took = await sshd.run(sshd.ssh(sshd.keys.tunnel, [], ["takeover"]));
    expect(took.code).toBe(0);
    expect(bystander.exitCode).toBeNull();
    expect(recordedSession(sshd.paths.run, sshd.hostId)).toBeUndefined();
    bystander.kill("SIGKILL");
  });

  test("kill -9 of the listener: live tunnels are not cut, and it listens again", async () => {
    const proc = hold(sshd.ssh(sshd.keys.tunnel, forwards()));
    await until("the tunnel is there", async () => await listens(sshd.ports.http), 8_000);
    const [listener] = childrenOf(sshd.pid).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("[listener]"),
    );
    expect(listener).toBeDefined();
    signalFound(listener, "SIGKILL");
    const { stdout } = await until(
      "a new login works",
      async () => {
        const result = await sshd.run(sshd.ssh(sshd.keys.pairing), { stdin: "{}" });
        return result.code === 0 && result;
      },
      10_000,
    );
    expect(stdout).toContain("live");
    expect(proc.exitCode).toBeNull();
    expect(await listens(sshd.ports.http)).toBe(true);
  }, 30_000);

  test("revoked: its live sessions end, also several and ones without a command; others stay", async () => {
    const { tunnel } = sshd.keys;
    const hidden = [
      hold(sshd.ssh(tunnel, ["-N"])),
      hold(sshd.ssh(tunnel, ["-N", "-R", `0.0.0.0:${sshd.ports.ssh}:127.0.0.1:1`])),
    ];
    const own = hold(sshd.ssh(tunnel, ["-R", `127.0.0.1:${sshd.ports.http}:127.0.0.1:1`]));
    own.stdin.write("beat\n");
    await own.stdin.flush();
    await own.stdout.getReader().read();
    await until("all three are there", async () => liveSessions(sshd.port).length >= 3, 8_000);

    endRevokedSessions(sshd.paths, sshd.port, [sshd.hostId]);
    await Promise.all(hidden.map((proc) => proc.exited));
    expect(own.exitCode).toBeNull();

    await sshd.authorize(false);
    endRevokedSessions(sshd.paths, sshd.port, []);
    await own.exited;
    const again = await sshd.run(sshd.ssh(tunnel));
    expect(again.stderr).toContain("Permission denied");
    expect(liveSessions(sshd.port)).toEqual([]);
    await sshd.authorize(true);
  }, 30_000);
});
