/**
 * The SSH gateway outlives its daemon: real gateway processes over a real agent, with stock OpenSSH clients. Daemons are
 * keepers that come and go, as a restart and an upgrade make them.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { SshAccess } from "../../src/contract/host-verbs/ssh.ts";
import { cleanEnv, exec } from "../../src/core/exec.ts";
import { ensureDir, hostPaths } from "../../src/core/paths.ts";
import { startTime } from "../../src/core/processes.ts";
import { encodePrivateKey, generateKeyPair, loadOrCreateKeyPair } from "../../src/core/ssh-keys.ts";
import { createAccessTable } from "../../src/host/ssh-gateway/access.ts";
import { createKeeper, type Keeper } from "../../src/host/ssh-gateway/keeper.ts";
import { accessFile, gatewayRecord } from "../../src/host/ssh-gateway/places.ts";
import type { GatewayProject, Report } from "../../src/host/ssh-gateway/wire.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";
import { processesOf } from "../fixtures/processes.ts";
import { until } from "../fixtures/running-hub.ts";
import { freePort } from "../fixtures/ssh-clients.ts";

const SLOW = 120_000;
const WAIT = 60_000;
const PROGRAM = [process.execPath, resolve(import.meta.dir, "../../src/bin/cocalc-project-host.ts")];

const dir = mkdtempSync(join(tmpdir(), "ssh-handover-"));
chmodSync(dir, 0o700);
const paths = hostPaths(dir);
for (const one of [paths.dir, paths.run, paths.ssh]) ensureDir(one);
const port = freePort();
const person = generateKeyPair();
const host = loadOrCreateKeyPair(join(paths.ssh, "gateway_ed25519"), "test");
writeFileSync(join(dir, "key"), encodePrivateKey(person), { mode: 0o600 });
writeFileSync(join(dir, "known_hosts"), `lab ${host.publicLine}\n`);
const table = createAccessTable(accessFile(paths));
const logins: Extract<Report, { type: "login" }>[] = [];
let agent: AgentLab;
let state: "running" | "stopped" = "running";
let revision = 0;

function allow(yes: boolean): void {
  const keys = [{ type: "ssh-ed25519", blob: person.publicLine.split(" ")[1] ?? "" }];
  const access: SshAccess = {
    accounts: yes ? [{ account_id: "ada", name: "Ada", keys }] : [],
    projects: [{ project_id: agent.project_id, accounts: ["ada"], keys: [] }],
  };
  revision += 1;
  table.take({ revision: String(revision), part: 0, parts: 1, access });
}
const project = (): GatewayProject => ({
  status: {
    project_id: agent.project_id,
    state,
    state_since: new Date().toISOString(),
    phase: null,
    queue_place: null,
    problem: null,
    timings: {},
  },
  name: "thesis",
  agent: state === "running" ? { socket: agent.socket, token: agent.token } : null,
});
/** A daemon begins; `build`: of another version than the gateways that are there. */
async function daemon(build?: string): Promise<Keeper> {
  const keeper = createKeeper({
    paths,
    door: { hostname: "127.0.0.1", port },
    hostKey: host.publicLine,
    projects: () => [project()],
    wake() {
      state = "running";
      keeper.told(project());
    },
    onLogin: (login) => logins.push(login),
    onLogins() {},
    program: PROGRAM,
    ...(build === undefined ? {} : { build }),
  });
  await keeper.start();
  expect(await keeper.listens()).toBe(true);
  return keeper;
}
const gatewayPid = () => (JSON.parse(readFileSync(gatewayRecord(paths), "utf8")) as { pid: number }).pid;
const argv = (...command: string[]) => [
  ...["ssh", "-F", "none", "-i", join(dir, "key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"],
  ...[
    "-o",
    `UserKnownHostsFile=${join(dir, "known_hosts")}`,
    "-o",
    "HostKeyAlias=lab",
    "-o",
    "LogLevel=ERROR",
  ],
  ...["-p", String(port), `${agent.project_id}@127.0.0.1`, ...command],
];
const run = (...command: string[]) => exec(argv(...command), { timeout: WAIT, env: { HOME: dir } });

/** Somebody who stays: what is typed comes back with a word in front. */
function stay() {
  const proc = Bun.spawn(argv("while read line; do echo got $line; done"), {
    cwd: "/",
    env: cleanEnv({ HOME: dir }),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  let heard = "";
  void (async () => {
    for await (const chunk of proc.stdout) heard += new TextDecoder().decode(chunk);
  })();
  return {
    proc,
    async answers(word: string): Promise<void> {
      proc.stdin.write(`${word}\n`);
      await proc.stdin.flush();
      await until(`the session answers ${word}`, async () => heard.includes(`got ${word}\n`), WAIT);
    },
  };
}

beforeAll(async () => {
  agent = await startAgent();
  allow(true);
}, SLOW);
afterAll(async () => {
  for (const one of processesOf(dir)) process.kill(one.pid, "SIGKILL");
  await agent.stop();
  rmSync(dir, { recursive: true, force: true });
}, SLOW);

test(
  "a session lives through a restart and an upgrade of the daemon; people log in at every moment; a revoked key ends all",
  async () => {
    const first = await daemon();
    const one = stay();
    await one.answers("alpha");
    await until("it is counted", async () => first.logins(agent.project_id) === 1, WAIT);
    expect(logins.at(-1)).toMatchObject({ account_id: "ada", woke: false });
    const before = gatewayPid();

    // Restarted, the same build: taken over. In between there is nobody, and SSH works.
    first.close(true);
    await one.answers("bravo");
    expect((await run("echo hello")).stdout).toBe("hello\n");
    const second = await daemon();
    expect(gatewayPid()).toBe(before);
    await until("its logins are known again", async () => second.logins(agent.project_id) === 1, WAIT);

    // Upgraded: another process has the port, and nobody is refused meanwhile.
    second.close(true);
    const tries: Promise<number>[] = [];
    const trying = setInterval(() => tries.push(run("true").then(({ code }) => code)), 150);
    const third = await daemon("another build");
    await Bun.sleep(500);
    clearInterval(trying);
    expect([...new Set(await Promise.all(tries))]).toEqual([0]);
    const after = gatewayPid();
    expect(after).not.toBe(before);
    await one.answers("charlie");
    const two = stay();
    await two.answers("delta");
    await until("both count", async () => third.logins(agent.project_id) === 2, WAIT);

    // A right that is taken away reaches both.
    allow(false);
    expect(await third.recheck()).toBe(2);
    for (const { proc } of [one, two]) expect(await proc.exited).not.toBe(0);
    await until("the former gateway has gone", async () => startTime(before) === undefined, WAIT);
    expect(startTime(after)).toBeDefined();
    allow(true);
    await third.recheck();

    // A stopped project is woken by who logs in.
    state = "stopped";
    third.told(project());
    const woken = await run("echo awake");
    expect([woken.stdout, woken.stderr]).toEqual([
      "awake\n",
      expect.stringContaining("starting it") as never,
    ]);
    expect(logins.at(-1)).toMatchObject({ woke: true });

    // A gateway that died is replaced; a daemon that keeps nothing takes it along.
    process.kill(after, "SIGKILL");
    await until("another listens", async () => gatewayPid() !== after && (await third.listens()), WAIT);
    expect((await run("echo again")).stdout).toBe("again\n");
    third.close(false);
    await until("nothing of it is left", async () => processesOf(dir).length === 0, WAIT);
  },
  SLOW,
);
