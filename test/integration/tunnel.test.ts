/**
 * Pairing and the tunnel as a machine behind NAT meets them: the pasted line, what is refused and how it is said,
 * HTTPS blocked, power loss, a revoked key. Real sshd, ssh, curl, binaries.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, JoinTokenCreated } from "../../src/contract/api.ts";
import { decodeJoinToken, encodeJoinToken, type JoinTokenContent } from "../../src/contract/join-token.ts";
import { cleanEnv, type ExecResult, exec, execOk } from "../../src/core/exec.ts";
import { liveSessions } from "../../src/hub/sshd/sessions.ts";
import { type FarMachine, makeFarMachine } from "../fixtures/far-machine.ts";
import type { NatLab } from "../fixtures/nat-lab.ts";
import { FAR_BASE_PORT } from "../fixtures/pasted-line.ts";
import { processesOf, signalFound } from "../fixtures/processes.ts";
import { HOST_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;

describe.skipIf(!ROOT)("pairing and the tunnel (needs root: podman, namespaces)", () => {
  let hub: RunningHub;
  let machine: FarMachine;
  let lab: NatLab;
  let hostDir: string;
  let far = "";

  const token = () => hub.json<JoinTokenCreated>("host", "token");
  const show = () => hub.json<Host>("host", "show", far);
  const ready = async () => {
    const host = await show();
    return host.state === "ready" && host.tunnel.state === "up" && host;
  };
  const inRouter = (...argv: string[]) => execOk(["ip", "netns", "exec", lab.router, ...argv]);

  /** `cocalc-project-host join` of a machine that is no host yet, with a token changed at will. */
  async function tryJoin(
    text: string,
    change: Partial<JoinTokenContent> = {},
    ...options: string[]
  ): Promise<ExecResult> {
    const dir = mkdtempSync(join(tmpdir(), "cc-try-"));
    chmodSync(dir, 0o755);
    const changed = encodeJoinToken({
      ...decodeJoinToken(text),
      addresses: [lab.hubAddress],
      ...change,
    });
    const result = await exec(
      [...lab.behindNat, HOST_BINARY, "join", "--token-stdin", "--data-dir", dir, "--json", ...options],
      { stdin: changed, timeout: 60_000 },
    );
    if (result.code !== 0) expect(existsSync(join(dir, "project-host/host.json"))).toBe(false);
    rmSync(dir, { recursive: true, force: true });
    return result;
  }
  const refusal = ({ stdout, stderr, code }: ExecResult) => {
    const said = `${stdout}\n${stderr}`;
    return { code: /\b(join\.[a-z-]+)/.exec(said)?.[1] ?? said, status: code };
  };
  beforeAll(async () => {
    machine = await makeFarMachine();
    ({ lab, dataDir: hostDir } = machine);
    hub = await startHub();
  }, SLOW);

  afterAll(async () => {
    await lab?.heal();
    await machine?.shutDown();
    await hub?.stop();
    // The end of `up` leaves no tunnel behind.
    if (hub) expect(liveSessions(hub.basePort + 1)).toEqual([]);
    await machine?.destroy();
  }, SLOW);

  test(
    "a preflight with a broken paste, a wrong clock, a taken port: told, nothing changed",
    async () => {
      const created = await token();
      const broken = `${created.token.slice(0, 40)}\n  ${created.token.slice(40, 90)}\r\n${created.token.slice(90)}\n`;
      const good = await machine.paste(created, broken, "--check");
      expect(good.stderr).toContain("ok   hub: https://");
      expect(good.code).toBe(0);
      const content = decodeJoinToken(created.token);
      // One of two hours is no sign of a wrong clock; one that was made in ten minutes is.
      const long = await machine.paste(
        created,
        encodeJoinToken({ ...content, exp: content.exp + 5_400 }),
        "--check",
      );
      expect([long.code, long.stderr]).toEqual([0, expect.stringMatching(/ok {3}clock/) as never]);
      for (const wrong of [
        { exp: 1_700_000_000 },
        { iat: (content.iat ?? 0) + 600, exp: content.exp + 600 },
      ]) {
        const bad = await machine.paste(created, encodeJoinToken({ ...content, ...wrong }), "--check");
        expect(bad.stderr).toMatch(/BAD {2}clock/);
        expect(bad.stderr).toContain("nothing was changed");
        expect(bad.code).toBe(69);
      }
      const cut = await machine.paste(created, created.token.slice(0, 100), "--check");
      expect(cut.code).toBe(65);
      const taken = Bun.spawn(
        [
          ...lab.behindNat,
          "python3",
          "-m",
          "http.server",
          "--bind",
          "127.0.0.1",
          String(Number(FAR_BASE_PORT) - 198),
        ],
        { cwd: "/", env: cleanEnv(), stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      );
      await Bun.sleep(700);
      const busy = await machine.paste(created, created.token, "--check");
      taken.kill("SIGKILL");
      expect(busy.stderr).toMatch(/BAD {2}port/);
      expect(existsSync(join(hostDir, "bin"))).toBe(false);
    },
    SLOW,
  );

  test(
    "the line joins it, waits until the tunnel is up, and may be run again",
    async () => {
      const created = await token();
      const began = Date.now();
      const first = await machine.paste(created);
      console.log(`the pasted line took ${Date.now() - began} ms`);
      expect(first.stderr).toContain("is a host of");
      expect(first.code).toBe(0);
      const host = await until(
        "it is ready",
        async () => (await hub.json<Host[]>("host", "list")).find((one) => one.type.kind === "self-host"),
        30_000,
      );
      far = host.host_id;
      await until("it is ready", ready, 30_000);
      const again = await machine.paste(created);
      expect(again.stderr).toContain("it runs here already");
      expect(again.code).toBe(0);
      expect((await hub.json<Host[]>("host", "list")).length).toBe(2);
      // One token, one machine.
      expect(refusal(await tryJoin(created.token))).toEqual({ code: "join.token-used", status: 77 });
    },
    SLOW,
  );

  test(
    "what is refused says why: expired, revoked, unknown, a stranger's keys, nobody there",
    async () => {
      const { token: text } = await token();
      expect(refusal(await tryJoin(text, { exp: 1_700_000_000 })).code).toBe("join.token-expired");
      const ahead = Math.floor(Date.now() / 1000) + 600;
      expect(refusal(await tryJoin(text, { iat: ahead, exp: ahead + 1_800 })).code).toBe("join.clock-behind");
      expect(refusal(await tryJoin(text, { token_id: crypto.randomUUID() })).code).toBe("join.token-unknown");
      expect(refusal(await tryJoin(text, { secret: "A".repeat(43) })).code).toBe("join.proof-refused");
      const tls_pin = Buffer.alloc(32, 7).toString("base64");
      expect(refusal(await tryJoin(text, { tls_pin })).code).toBe("join.wrong-tls-key");
      const ssh_fingerprint = `SHA256:${"A".repeat(43)}`;
      expect(refusal(await tryJoin(text, { ssh_fingerprint }, "--ssh-only")).code).toBe("join.wrong-ssh-key");
      const nobody = await tryJoin(text, { https_port: 9, sshd_port: 9 });
      expect(refusal(nobody)).toEqual({ code: "join.hub-unreachable", status: 69 });
      expect(nobody.stdout + nobody.stderr).toContain(lab.hubAddress);

      const id = decodeJoinToken(text).token_id;
      const db = new Database(join(hub.dataDir, "launchpad/hub.sqlite"));
      db.run("pragma busy_timeout = 5000");
      const set = (change: string) => db.run(`update join_tokens set ${change} where token_id = ?`, [id]);
      set("expires_at = '2026-01-01T00:00:00.000Z'");
      expect(refusal(await tryJoin(text)).code).toBe("join.token-expired");
      set("expires_at = '2099-01-01T00:00:00.000Z', revoked = 1");
      expect(refusal(await tryJoin(text)).code).toBe("join.token-revoked");
      db.close();
    },
    SLOW,
  );

  test(
    "over SSH alone: it pairs with --ssh-only, and by itself when HTTPS is blocked",
    async () => {
      expect((await tryJoin((await token()).token, {}, "--ssh-only")).code).toBe(0);
      await inRouter(
        ...["nft", "add", "rule", "ip", "lab", "between", "tcp", "dport", String(hub.basePort), "drop"],
      );
      try {
        expect((await tryJoin((await token()).token)).code).toBe(0);
        // The host that is there already: its daemon's next link can only come through its own tunnel.
        const daemon = processesOf(hostDir).find(({ argv }) => argv[1] === "serve");
        const killed = Date.now();
        signalFound(daemon?.pid, "SIGKILL");
        await until(
          "it reports through the tunnel",
          async () => Date.parse((await show()).report_at ?? "") > killed && (await ready()),
          60_000,
        );
      } finally {
        await lab.heal();
      }
    },
    SLOW,
  );

  test(
    "a host of another hub: refused as it is; with --replace it changes hands, over SSH alone, and can go back",
    async () => {
      const dir = mkdtempSync(join(tmpdir(), "cc-other-"));
      chmodSync(dir, 0o755);
      const state = join(dir, "project-host/host.json");
      const other = crypto.randomUUID();
      try {
        mkdirSync(join(dir, "project-host"));
        const known = JSON.parse(readFileSync(join(hostDir, "project-host/host.json"), "utf8")) as object;
        writeFileSync(state, JSON.stringify({ ...known, hub_id: other }));
        const pairSsh = async (...options: string[]) => {
          const text = encodeJoinToken({
            ...decodeJoinToken((await token()).token),
            addresses: [lab.hubAddress],
          });
          return await exec([...lab.behindNat, HOST_BINARY, "pair-ssh", "--data-dir", dir, ...options], {
            stdin: text,
            timeout: 60_000,
          });
        };
        const refused = await pairSsh();
        expect(refusal(refused)).toEqual({ code: "join.other-hub", status: 78 });
        expect(`${refused.stdout}${refused.stderr}`).toContain("--replace");
        expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({ hub_id: other });
        const replaced = await pairSsh("--replace");
        expect(replaced.code).toBe(0);
        const told = JSON.parse(replaced.stdout) as { host_id: string };
        expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({ host_id: told.host_id });
        const aside = `${state}.of-${other.slice(0, 8)}`;
        expect(JSON.parse(readFileSync(aside, "utf8"))).toMatchObject({ hub_id: other });
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
    SLOW,
  );

  test(
    "power loss: back with its tunnel within 15 s of its start, though the old session still holds the ports",
    async () => {
      await lab.silence();
      machine.kill("SIGKILL");
      await Bun.sleep(2_000);
      const left = liveSessions(hub.basePort + 1);
      expect(left.length).toBeGreaterThan(0);
      const began = Date.now();
      machine.boot();
      const connector = join(hostDir, "project-host/run/connector.json");
      await until(
        "the tunnel is up",
        async () => {
          const state = JSON.parse(readFileSync(connector, "utf8")) as { state: string; since: string };
          return state.state === "up" && Date.parse(state.since) > began;
        },
        15_000,
      );
      console.log(`after a power loss the tunnel was back in ${Date.now() - began} ms`);
      const pids = new Set(liveSessions(hub.basePort + 1).flatMap((session) => session.pids));
      expect(left.flatMap((session) => session.pids).filter((pid) => pids.has(pid))).toEqual([]);
      await until("it is ready", ready, 30_000);
    },
    SLOW,
  );

  test(
    "a revoked key: its session ends, it cannot come back, and the hub says so",
    async () => {
      const response = await fetch(`http://localhost/api/hosts/${far}/revoke`, {
        unix: join(hub.dataDir, "launchpad/run/hub.sock"),
        method: "POST",
      });
      expect(response.status).toBe(200);
      await until("no session", async () => liveSessions(hub.basePort + 1).length === 0, 10_000);
      await Bun.sleep(4_000);
      const host = await show();
      expect(host.state).toBe("offline");
      expect(host.problem?.code).toBe("host.key-revoked");
      const status = await exec([HOST_BINARY, "status", "--data-dir", hostDir, "--json"]);
      expect(status.stdout).toContain("tunnel.key-refused");
    },
    SLOW,
  );
});
