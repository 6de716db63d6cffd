/** Forwards through the SSH gateway over a real agent: ports, sockets and agents, with stock OpenSSH clients. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { until } from "../fixtures/running-hub.ts";
import {
  ask,
  freePort,
  MIB,
  SLOW,
  said,
  sha,
  sshClients,
  type Target,
  WAIT,
} from "../fixtures/ssh-clients.ts";

const ssh = sshClients();

test(
  "-L to a port and to a unix socket in the project; what nobody serves is refused",
  async () => {
    const inside = await ssh.says("from inside");
    const path = join(ssh.lab.agent.home, "s.sock");
    const unix = createServer((socket) => socket.end("from the socket"));
    await ssh.serve(unix, { path });
    const [a, b, c] = [freePort(), freePort(), freePort()];
    ssh.hold(
      ssh.lab.ssh(
        [],
        ["-N", "-L", `${a}:127.0.0.1:${inside}`, "-L", `${b}:${path}`, "-L", `${c}:127.0.0.1:1`],
      ),
    );
    expect(await until("-L answers", () => said({ port: a }), WAIT)).toBe("from inside");
    expect(await ask({ port: b })).toBe("from the socket");
    expect(await ask({ port: c }).catch(() => "")).toBe("");
  },
  SLOW,
);

test(
  "-R: a port of the project, one that it chooses, and a unix socket",
  async () => {
    const outside = await ssh.says("from the laptop");
    const fixed = freePort();
    const path = join(ssh.lab.agent.home, "r.sock");
    const proc = ssh.hold(
      ssh.lab
        .ssh(
          ["sleep 60"],
          [
            ...["-R", `${fixed}:127.0.0.1:${outside}`, "-R", `0:127.0.0.1:${outside}`],
            ...["-R", `${path}:127.0.0.1:${outside}`, "-o", "ExitOnForwardFailure=yes"],
          ],
        )
        .map((word) => word.replace("LogLevel=ERROR", "LogLevel=INFO")),
    );
    let told = "";
    for await (const chunk of proc.stderr) {
      told += new TextDecoder().decode(chunk);
      if (told.includes("Allocated port")) break;
    }
    const chosen = Number(/Allocated port (\d+)/.exec(told)?.[1]);
    // The three are opened side by side, in no order.
    for (const target of [{ port: fixed }, { port: chosen }, { path }])
      expect(await until("-R answers", () => said(target), WAIT)).toBe("from the laptop");
    proc.kill("SIGTERM");
    const refused = (target: Target) =>
      ask(target).then(
        () => false,
        () => true,
      );
    for (const target of [{ port: fixed }, { port: chosen }, { path }])
      await until("its listeners are gone", () => refused(target), WAIT);
    expect(existsSync(path)).toBe(false);
  },
  SLOW,
);

test("-R of a port that is taken is refused", async () => {
  const taken = await ssh.says("");
  const { code, stderr } = await ssh.lab.run(
    ssh.lab.ssh([], ["-N", "-o", "ExitOnForwardFailure=yes", "-R", `${taken}:127.0.0.1:1`]),
  );
  expect(code).toBe(255);
  expect(stderr).toContain("remote port forwarding failed");
});

test(
  "-D, SOCKS, and -W",
  async () => {
    const inside = await ssh.says("through socks");
    const port = freePort();
    ssh.hold(ssh.lab.ssh([], ["-N", "-D", String(port)]));
    const got = await until(
      "SOCKS answers",
      async () => {
        const { stdout } = await ssh.lab.run([
          "curl",
          "-s",
          "--http0.9",
          "--socks5",
          `127.0.0.1:${port}`,
          `http://127.0.0.1:${inside}/`,
        ]);
        return stdout !== "" && stdout;
      },
      WAIT,
    );
    expect(got).toBe("through socks");
    expect((await ssh.lab.run(ssh.lab.ssh([], ["-W", `127.0.0.1:${inside}`]))).stdout).toBe("through socks");
  },
  SLOW,
);

test(
  "5 MiB through -L in both directions with half-close",
  async () => {
    const bytes = randomBytes(5 * MIB);
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    const port = await ssh.serve(echo);
    const proc = ssh.hold(ssh.lab.ssh([], ["-W", `127.0.0.1:${port}`]));
    proc.stdin.write(bytes);
    proc.stdin.end();
    expect(sha(await new Response(proc.stdout).bytes())).toBe(sha(bytes));
  },
  SLOW,
);

test(
  "-A: the project uses the client's agent, in a socket of its own that goes with the connection",
  async () => {
    const agent = ssh.hold(["ssh-agent", "-D", "-a", join(ssh.lab.dir, "agent.sock")]);
    const env = { SSH_AUTH_SOCK: join(ssh.lab.dir, "agent.sock"), HOME: ssh.lab.dir };
    await until("the agent is there", async () => existsSync(env.SSH_AUTH_SOCK), WAIT);
    await ssh.lab.run(["ssh-add", "-q", ssh.lab.identity("unknown")], { env });
    const { stdout } = await ssh.lab.run(
      ssh.lab.ssh(["ssh-add -L; stat -c %a $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK"], ["-A"]),
      {
        env,
      },
    );
    const [key, mode, path = ""] = stdout.trim().split("\n");
    expect(key).toContain(ssh.lab.keys.unknown.publicLine);
    expect(mode).toBe("600");
    await until("its socket is gone", async () => !existsSync(path), WAIT);
    const without = await ssh.lab.run(ssh.lab.ssh(["echo [$SSH_AUTH_SOCK]"]), { env });
    expect(without.stdout.trim()).toBe("[]");
    agent.kill();
  },
  SLOW,
);

test(
  "one connection for many commands (ControlMaster), and keepalives of the client",
  async () => {
    const control = ["-o", `ControlPath=${ssh.lab.dir}/cm`];
    ssh.hold(
      ssh.lab.ssh([], ["-N", "-M", ...control, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=4"]),
    );
    await until("the master is there", async () => existsSync(`${ssh.lab.dir}/cm`), WAIT);
    // A gateway that answers no keepalive would have lost it by now.
    await Bun.sleep(6_500);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ssh.lab.run(ssh.lab.ssh([`echo ${n}; exit ${n}`], control))),
    );
    expect(results.map((one) => [one.stdout.trim(), one.code])).toEqual(
      Array.from({ length: 20 }, (_, n) => [String(n), n]),
    );
  },
  SLOW,
);
