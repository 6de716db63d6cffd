/** Checks of the hub itself: its sshd, its TLS, its WebSocket, its disk. */
import { statfs } from "node:fs/promises";
import { type CheckDefinition, fail, ok, skipped, warn } from "./check.ts";
import { type SshdCheckDeps, sshdCheck } from "./sshd-check.ts";

const GROUP = "Hub";
const GIB = 2 ** 30;
/** Below this the hub's database and artifacts are in danger; measured on the file system of the data dir. */
const DISK_FAIL_BYTES = GIB;
const DISK_WARN_BYTES = 5 * GIB;
const TLS_WARN_DAYS = 21;

export interface HubCheckDeps {
  dataDir: string;
  sshd: SshdCheckDeps;
  /** undefined where there is none: plain HTTP on loopback alone. */
  tls(): { notAfter: Date } | undefined;
  /** Opens a WebSocket to the hub's own HTTPS port, sends a nonce through conat and returns the round trip, ms. */
  webSocketEcho(signal: AbortSignal): Promise<number>;
}

export function hubChecks(deps: HubCheckDeps): CheckDefinition[] {
  return [
    sshdCheck(GROUP, deps.sshd),
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
