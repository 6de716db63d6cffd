/** `cocalc-project-host connector`: keeps this machine's tunnel to the hub, for ever. */
import { join } from "node:path";
import { command, common } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { messageOf, type ProblemDetails } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { ensureDir, hostPaths } from "../../core/paths.ts";
import { derivePorts } from "../../core/ports.ts";
import { writeFileAtomic, writeStateFile } from "../../core/state-file.ts";
import { hostKeyPath, readHostState } from "../state.ts";
import { runTunnel, type TunnelEnd, type TunnelOptions, takeOver } from "./tunnel.ts";

const log = logger("connector");
const FIRST_BACKOFF_MS = 500;
/** While the network is down: it may be back any moment. */
const MAX_NETWORK_BACKOFF_MS = 10_000;
/** After a refusal: asking more often changes nothing. */
const MAX_REFUSED_BACKOFF_MS = 600_000;
const STATE_POLL_MS = 1_000;

export interface ConnectorState {
  state: "unpaired" | "none" | "connecting" | "up" | "down";
  since: string;
  address: string | null;
  rtt_ms: number | null;
  problem: ProblemDetails | null;
}

/** Pure: how long until the next attempt. `random` 0–1. */
export function nextBackoff(kind: TunnelEnd["kind"], failures: number, random: number): number {
  if (kind === "ports-busy") return FIRST_BACKOFF_MS;
  const top = kind === "lost" ? MAX_NETWORK_BACKOFF_MS : MAX_REFUSED_BACKOFF_MS;
  const delay = Math.min(top, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 12));
  return delay / 2 + (random * delay) / 2;
}

export default command({
  meta: { name: "connector", description: "Keeps the tunnel to the hub, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port of this machine; its HTTP is on base−198" },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env, { base_port: args["base-port"] });
    const ports = derivePorts(config.base_port);
    const paths = hostPaths(args["data-dir"]);
    ensureDir(paths.run);
    const stop = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        stop.abort();
        setTimeout(() => process.exit(0), 200);
      });
    }
    let current: ConnectorState = {
      state: "unpaired",
      since: new Date().toISOString(),
      address: null,
      rtt_ms: null,
      problem: null,
    };
    const tell = (change: Partial<ConnectorState>) => {
      const since =
        change.state !== undefined && change.state !== current.state
          ? new Date().toISOString()
          : current.since;
      current = { ...current, ...change, since };
      writeStateFile(paths.connectorState, current);
    };
    tell({});
    let failures = 0;
    let turn = 0;
    while (!stop.signal.aborted) {
      const state = readHostState(paths);
      if (state === undefined) {
        await Bun.sleep(STATE_POLL_MS);
        continue;
      }
      if (state.kind === "local") {
        // Hub and host on one machine: no tunnel.
        tell({ state: "none", problem: null });
        await Bun.sleep(STATE_POLL_MS * 5);
        continue;
      }
      const address = state.addresses[turn % state.addresses.length] ?? "127.0.0.1";
      const knownHosts = join(paths.ssh, "known_hosts");
      writeFileAtomic(knownHosts, `cocalc-hub ${state.ssh_host_key}\n`);
      const options: TunnelOptions = {
        address,
        sshdPort: state.sshd_port,
        user: state.ssh_user,
        identity: hostKeyPath(paths),
        knownHosts,
        remote: state.ports,
        local: { http: ports.hostHttp, ssh: ports.hostSsh },
        hubHttps: state.https_port,
        localHub: ports.hostHttp + 2,
      };
      tell({ state: "connecting", address, rtt_ms: null });
      const end = await runTunnel(options, {
        signal: stop.signal,
        onUp() {
          failures = 0;
          log.info("tunnel up", { address });
          tell({ state: "up", problem: null });
        },
        onBeat(rtt_ms) {
          if (current.state === "up") tell({ rtt_ms });
        },
      });
      if (stop.signal.aborted) break;
      const wasUp = current.state === "up";
      log.warn("tunnel ended", { code: end.problem.code, why: end.problem.why });
      tell({ state: "down", rtt_ms: null, problem: end.problem });
      // A silent or lost session may still hold our ports on the hub.
      if (end.kind === "ports-busy") {
        await takeOver(options).catch((error: unknown) => log.warn("takeover", { why: messageOf(error) }));
      }
      // An address that never worked is left for the next; one that did is tried again first.
      if (!wasUp && end.kind === "lost") turn += 1;
      await Bun.sleep(nextBackoff(end.kind, failures, Math.random()));
      failures += 1;
    }
  },
});
