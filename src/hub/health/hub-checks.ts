/** Checks of the hub itself: its sshd, its TLS, its WebSocket, its disk. */
import { statfs } from "node:fs/promises";
import { exec } from "../../core/exec.ts";
import { type CheckDefinition, fail, ok, skipped, warn } from "./check.ts";

const GROUP = "Hub";
const GIB = 2 ** 30;
/** Below this the hub's database and artifacts are in danger; measured on the file system of the data dir. */
const DISK_FAIL_BYTES = GIB;
const DISK_WARN_BYTES = 5 * GIB;
const TLS_WARN_DAYS = 21;

export interface HubCheckDeps {
  dataDir: string;
  sshd: {
    port: number;
    /** `ssh-ed25519 AAAA…` as printed in join tokens; null before the first start. */
    publicKey(): Promise<string | null>;
    /** Whether sshd should be running: a host or a live join token. */
    needed(): Promise<boolean>;
  };
  /** undefined where there is none: plain HTTP on loopback alone. */
  tls(): { notAfter: Date } | undefined;
  /** Opens a WebSocket to the hub's own HTTPS port, sends a nonce through conat and returns the round trip, ms. */
  webSocketEcho(signal: AbortSignal): Promise<number>;
}

/** The key a scanner sees on the port, or why there is none. */
async function scanKey(port: number): Promise<{ key: string | null; said: string }> {
  const result = await exec(["ssh-keyscan", "-T", "5", "-p", String(port), "-t", "ed25519", "127.0.0.1"]);
  const line = result.stdout.split("\n").find((text) => text.includes(" ssh-ed25519 "));
  return { key: line?.split(" ").slice(1, 3).join(" ") ?? null, said: result.stderr.trim() };
}

export function hubChecks(deps: HubCheckDeps): CheckDefinition[] {
  return [
    {
      code: "sshd.running",
      group: GROUP,
      name: "OpenSSH server and its key",
      async run() {
        const expected = await deps.sshd.publicKey();
        const { key, said } = await scanKey(deps.sshd.port);
        if (key === null) {
          if (!(await deps.sshd.needed()))
            return skipped("not needed: no host yet, and no join token is live");
          return fail(`nothing on port ${deps.sshd.port}`, {
            code: "sshd.not-running",
            title: `No SSH server answers on port ${deps.sshd.port}`,
            why: said || "The port is closed.",
            fix: "Its log says why it ended. It is restarted by itself once the cause is gone.",
            command: "journalctl -u cocalc-sshd -n 50",
          });
        }
        if (expected === null || key !== expected.split(" ").slice(0, 2).join(" ")) {
          return fail(`port ${deps.sshd.port} shows another key`, {
            code: "sshd.wrong-key",
            title: `The SSH server on port ${deps.sshd.port} is not ours`,
            why: "It shows a host key other than the one in join tokens: another server holds the port, or the key file was replaced.",
            fix: "Stop the other server, or give this hub another base port.",
            command: `ss -ltnp 'sport = :${deps.sshd.port}'`,
          });
        }
        return ok(`answers on port ${deps.sshd.port} with the printed key`);
      },
    },
    {
      code: "hub.websocket",
      group: GROUP,
      name: "WebSocket self-echo",
      async run(signal) {
        return ok(`${(await deps.webSocketEcho(signal)).toFixed(1)} ms`);
      },
    },
    {
      code: "hub.tls",
      group: GROUP,
      name: "TLS certificate",
      async run() {
        const tls = deps.tls();
        if (!tls) return skipped("none: this machine alone is served, over loopback");
        const days = Math.floor((tls.notAfter.getTime() - Date.now()) / 86_400_000);
        const value = `${days} days left`;
        if (days >= TLS_WARN_DAYS) return ok(value);
        const problem = {
          code: days < 0 ? "tls.expired" : "tls.expires-soon",
          title: days < 0 ? "The TLS certificate has expired" : `The TLS certificate expires in ${days} days`,
          fix: "The hub renews its own by itself, a month before: see its log for why it could not. One of yours is taken up within an hour of its renewal.",
        };
        return days < 0 ? fail(value, problem) : warn(value, problem);
      },
    },
    {
      code: "hub.disk",
      group: GROUP,
      name: "Disk of the data directory",
      async run() {
        const fs = await statfs(deps.dataDir);
        const free = fs.bavail * fs.bsize;
        const value = `${(free / GIB).toFixed(1)} GiB free`;
        if (free >= DISK_WARN_BYTES) return ok(value);
        const problem = {
          code: "hub.disk-low",
          title: `Only ${value} where the hub keeps its data`,
          why: `${deps.dataDir} is on this file system.`,
          fix: "Free some space there, or move the data directory to a larger disk.",
        };
        return free < DISK_FAIL_BYTES ? fail(value, problem) : warn(value, problem);
      },
    },
  ];
}
