/**
 * The way of a page and of a keystroke on a machine behind NAT, with all that really runs: hub, OpenSSH's tunnel, host
 * daemon, agent, container. Beside it, in turn, the same app on the same machine behind a bare `ssh -R`.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../src/conat/client.ts";
import type { Host, JoinTokenCreated, Project } from "../src/contract/api.ts";
import { cleanEnv, execOk } from "../src/core/exec.ts";
import { makeFarMachine } from "../test/fixtures/far-machine.ts";
import { type RunningHub, startHub, until } from "../test/fixtures/running-hub.ts";
import { openEcho, strike } from "./bench-keys.ts";
import { download, type Load, load, median, quantile, webSocketEcho } from "./bench-load.ts";

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;

const APP_PORT = 8000;
const BARE_PORT = 27_110;
const SSHD_PORT = 27_111;
const KEYSTROKES = 1000;
const ROUNDS = 3;
const CREDENTIALS = { email: "bench@example.com", password: "correct horse battery" };

/** Signs in as the UI does, opens the app once, and comes back with the app's own cookie. */
async function appCookie(hub: RunningHub, project: string): Promise<{ api: string; app: string }> {
  const headers = { "content-type": "application/json", origin: hub.url, "sec-fetch-site": "same-origin" };
  const cookies = (response: Response) =>
    response.headers
      .getSetCookie()
      .map((line) => line.split(";")[0])
      .join("; ");
  const signedIn = await fetch(`${hub.url}/api/auth/sign-in/email`, {
    method: "POST",
    headers,
    body: JSON.stringify(CREDENTIALS),
  });
  const session = cookies(signedIn);
  const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none" };
  const asked = await fetch(`${hub.url}/${project}/proxy/${APP_PORT}/`, {
    headers: { cookie: session, ...navigation },
    redirect: "manual",
  });
  const ticket = new URL(asked.headers.get("location") ?? "", hub.url);
  const opened = await fetch(`http://127.0.0.1:${ticket.port}${ticket.pathname}${ticket.search}`, {
    headers: { host: ticket.host, ...navigation },
    redirect: "manual",
  });
  const app = cookies(opened);
  if (app === "") throw new Error(`no cookie of the app: ${opened.status} ${await opened.text()}`);
  return { api: session, app };
}

/** sshd on this side, `ssh -R` and a copy of the app on the far side: the tunnel and nothing else. */
async function bareTunnel(farPrefix: string[], hubAddress: string) {
  const dir = mkdtempSync(join(tmpdir(), "cc-bare-"));
  const key = (name: string) =>
    execOk(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(dir, name)]);
  await key("host");
  await key("user");
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    chmodSync(join(dir, name), 0o600);
  };
  file(
    "authorized_keys",
    `restrict,port-forwarding,command="cat" ${readFileSync(join(dir, "user.pub"), "utf8")}`,
  );
  file("known_hosts", `bare ${readFileSync(join(dir, "host.pub"), "utf8")}`);
  file(
    "config",
    `Port ${SSHD_PORT}\nHostKey ${join(dir, "host")}\nAuthorizedKeysFile ${join(dir, "authorized_keys")}\nStrictModes no\nPidFile none\n`,
  );
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const start = (argv: string[]) =>
    Bun.spawn(argv, { cwd: "/", env: cleanEnv(), stdin: "pipe", stdout: "ignore", stderr: "inherit" });
  const options = [
    `UserKnownHostsFile=${join(dir, "known_hosts")}`,
    "HostKeyAlias=bare",
    "ExitOnForwardFailure=yes",
  ];
  const children = [
    start(["/usr/sbin/sshd", "-D", "-f", join(dir, "config")]),
    start([...farPrefix, process.execPath, join(import.meta.dir, "bench-app.ts"), String(APP_PORT)]),
  ];
  await Bun.sleep(500);
  // A session beside the forward, as ours has: without one sshd leaves Nagle's algorithm on, and we would win by that.
  children.push(
    start([
      ...[...farPrefix, "ssh", "-T", "-F", "none", "-p", String(SSHD_PORT), "-i", join(dir, "user")],
      ...options.flatMap((option) => ["-o", option]),
      ...["-R", `127.0.0.1:${BARE_PORT}:127.0.0.1:${APP_PORT}`, `root@${hubAddress}`],
    ]),
  );
  await until("the bare tunnel", async () => (await fetch(`http://127.0.0.1:${BARE_PORT}/`)).ok, 15_000);
  return {
    async stop() {
      for (const child of children.reverse()) child.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Each of `count` keystrokes to a PTY in raw mode, through the browser's own socket to the host. */
async function keystrokes(hub: RunningHub, cookie: string, project: Project): Promise<number[]> {
  const headers = { cookie, origin: hub.url, "sec-fetch-site": "same-origin" };
  const client = connect({
    url: `${hub.url.replace("http", "ws")}/${project.host_id}/conat`,
    headers: () => headers,
  });
  try {
    return await strike([await openEcho(client, project.project_id)], KEYSTROKES, 5);
  } finally {
    client.close();
  }
}

export async function twoHops(row: Row, json: Record<string, unknown>): Promise<void> {
  const machine = await makeFarMachine();
  const hub = await startHub();
  let bare: Awaited<ReturnType<typeof bareTunnel>> | undefined;
  try {
    const file = join(hub.dataDir, "password");
    writeFileSync(file, `${CREDENTIALS.password}\n`);
    await hub.json("setup", "--email", CREDENTIALS.email, "--password-file", file);
    const joined = await machine.paste(await hub.json<JoinTokenCreated>("host", "token"));
    if (joined.code !== 0) throw new Error(joined.stderr);
    const host = await until(
      "the far host is ready",
      async () =>
        (await hub.json<Host[]>("host", "list")).find(
          (one) => one.type.kind === "self-host" && one.state === "ready" && one.tunnel.state === "up",
        ),
      60_000,
    );
    const made = await hub.json<Project>("project", "create", "--name", "bench", "--host", host.host_id);
    const id = made.project_id;
    await hub.json("project", "start", id);
    const project = await hub.json<Project>("project", "show", id);
    const exec = (script: string) => hub.cli("project", "exec", id, "--", "sh", "-c", script);
    const source = Buffer.from(readFileSync(join(import.meta.dir, "bench-app.ts"))).toString("base64");
    await exec(`echo ${source} | base64 -d > app.ts`);
    // The agent's own binary is a Bun: the base image has none.
    await exec(
      `(BUN_BE_BUN=1 exec setsid /opt/cocalc/cocalc-project-host run app.ts ${APP_PORT}) >app.log 2>&1 </dev/null &`,
    );
    const cookies = await until("the app opens", () => appCookie(hub, id), 20_000);
    bare = await bareTunnel(machine.lab.behindNat, machine.lab.hubAddress);
    // Capitals, or wrk sends a Host of its own beside it.
    const headers = { Host: `${id}.localhost:${hub.basePort + 4}`, Cookie: cookies.app };
    const ours = `http://127.0.0.1:${hub.basePort + 4}/${id}/proxy/${APP_PORT}/`;
    const peer = `http://127.0.0.1:${BARE_PORT}/`;
    const ratio = (a: number, b: number) => `${(a / b).toFixed(2)}×`;
    await until("the page", async () => (await fetch(ours, { headers })).ok, 10_000);
    for (const connections of [1, 32]) {
      const measured: Record<"ours" | "bare", Load[]> = { ours: [], bare: [] };
      await load(ours, connections, headers);
      for (let round = 0; round < ROUNDS; round++) {
        measured.ours.push(await load(ours, connections, headers));
        measured.bare.push(await load(peer, connections));
      }
      for (const [key, digits] of [
        ["perSecond", 0],
        ["p50_ms", 2],
        ["p99_ms", 2],
      ] as const) {
        const [a, b] = [measured.ours, measured.bare].map((all) => median(all.map((one) => one[key])));
        row(
          `two hops against the bare tunnel, ${connections} connections, ${key === "perSecond" ? "req/s" : key}`,
          (a ?? 0).toFixed(digits),
          (b ?? 0).toFixed(digits),
          ratio(a ?? 0, b ?? 1),
        );
      }
      json[`two_hops_${connections}`] = measured;
    }
    const speeds = { ours: [] as number[], bare: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      speeds.ours.push(await download(`${ours}big`, headers));
      speeds.bare.push(await download(`${peer}big`));
    }
    const [fast, bareFast] = [median(speeds.ours), median(speeds.bare)];
    row("two hops, 64 MiB download, MiB/s", fast.toFixed(0), bareFast.toFixed(0), ratio(fast, bareFast));
    const wsOurs = await webSocketEcho(ours.replace("http", "ws"), 1, KEYSTROKES, {
      ...headers,
      origin: `http://${headers.Host}`,
    });
    const wsBare = await webSocketEcho(peer.replace("http", "ws"), 1, KEYSTROKES);
    for (const part of [0.5, 0.99]) {
      const [a, b] = [quantile(wsOurs.times, part), quantile(wsBare.times, part)];
      row(`two hops, WebSocket echo, p${part * 100}, ms`, a.toFixed(2), b.toFixed(2), ratio(a, b));
    }
    const times = await keystrokes(hub, cookies.api, project);
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    const wsP50 = quantile(wsBare.times, 0.5);
    row(
      "keystroke echo through the tunnel, p50, ms (3 at most)",
      p50.toFixed(2),
      wsP50.toFixed(2),
      ratio(p50, wsP50),
    );
    row("keystroke echo through the tunnel, p99, ms", p99.toFixed(2));
    json.two_hops = { speeds, keystroke_p50_ms: p50, keystroke_p99_ms: p99 };
  } finally {
    await bare?.stop();
    await machine.shutDown();
    await hub.stop();
    await machine.destroy();
  }
}
