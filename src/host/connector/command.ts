/** `cocalc-project-host connector`: keeps this machine's tunnel to the hub, for ever. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { MetHubKey } from "../../contract/host-control.ts";
import { command, common } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { messageOf, type ProblemDetails } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { serviceNotifier } from "../../core/notify.ts";
import { ensureDir, hostPaths } from "../../core/paths.ts";
import { derivePorts, machinesPort } from "../../core/ports.ts";
import { fingerprint } from "../../core/ssh-keys.ts";
import { writeFileAtomic, writeStateFile } from "../../core/state-file.ts";
import { type HostState, hostKey, hostKeyPath, readHostState } from "../state.ts";
import { answering, chooseAddress, shownHostKey } from "./addresses.ts";
import { endHeldSsh } from "./held-ssh.ts";
import { offerKey } from "./offer-key.ts";
import { runTunnel, type TunnelEnd, type TunnelOptions, takeOver, tunnelCiphers } from "./tunnel.ts";

const log = logger("connector");
const FIRST_BACKOFF_MS = 500;
/** While the network is down: it may be back any moment. */
const MAX_NETWORK_BACKOFF_MS = 10_000;
/** After a refusal: asking more often changes nothing. */
const MAX_REFUSED_BACKOFF_MS = 600_000;
/** While an admin looks at the key that this machine showed. */
const OFFER_POLL_MS = 5_000;
const STATE_POLL_MS = 1_000;
const WAKE_POLL_MS = 250;

export interface ConnectorState {
  state: "unpaired" | "none" | "connecting" | "up" | "down";
  since: string;
  address: string | null;
  rtt_ms: number | null;
  problem: ProblemDetails | null;
  /** Where the hub's sshd showed another key than this machine was told. */
  hub_key: MetHubKey | null;
}

/** Pure: how long until the next attempt. `random` 0–1. */
export function nextBackoff(kind: TunnelEnd["kind"], failures: number, random: number): number {
  if (kind === "ports-busy") return FIRST_BACKOFF_MS;
  if (kind === "offered") return OFFER_POLL_MS;
  const top = kind === "lost" ? MAX_NETWORK_BACKOFF_MS : MAX_REFUSED_BACKOFF_MS;
  const delay = Math.min(top, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 12));
  return delay / 2 + (random * delay) / 2;
}

export default command({
  meta: { name: "connector", description: "Keeps the tunnel to the hub, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port of this machine; its HTTP is on base−198" },
    "keep-tunnel": {
      type: "boolean",
      description: "Leave the tunnel open at the end (for a service manager that restarts it)",
    },
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
        serviceNotifier().stopping();
        setTimeout(() => process.exit(0), 200);
      });
    }
    let current: ConnectorState = {
      state: "unpaired",
      since: new Date().toISOString(),
      address: null,
      rtt_ms: null,
      problem: null,
      hub_key: null,
    };
    const tell = (change: Partial<ConnectorState>) => {
      const since =
        change.state !== undefined && change.state !== current.state
          ? new Date().toISOString()
          : current.since;
      current = { ...current, ...change, since };
      writeStateFile(paths.connectorState, current);
      if (change.rtt_ms === undefined) serviceNotifier().status(statusLine(current));
    };
    const good = lastGood(paths.connectorState);
    tell({});
    serviceNotifier().ready(statusLine(current));
    let failures = 0;
    const known = { good, wrong: new Set<string>() };
    while (!stop.signal.aborted) {
      const state = readHostState(paths);
      if (state === undefined) {
        await endHeldSsh(paths.run);
        await Bun.sleep(STATE_POLL_MS);
        continue;
      }
      if (state.kind === "local") {
        // Hub and host on one machine: no tunnel.
        await endHeldSsh(paths.run);
        tell({ state: "none", problem: null });
        await Bun.sleep(STATE_POLL_MS * 5);
        continue;
      }
      ensureDir(paths.ssh);
      const knownHosts = join(paths.ssh, "known_hosts");
      writeFileAtomic(knownHosts, `cocalc-hub ${state.ssh_host_key}\n`);
      const paired = mtime(paths.state);
      // After the folder was lost this makes a new one, which the hub refuses and shows to its admin.
      const key = hostKey(paths);
      let hub_key: MetHubKey | null = null;
      tell({ state: current.state === "unpaired" ? "connecting" : current.state, rtt_ms: null });
      const candidates =
        state.addresses.length > 1 ? await answering(state.addresses, state.sshd_port) : state.addresses;
      const address = chooseAddress(candidates, known);
      let end: TunnelEnd;
      if (address === undefined) {
        end = {
          kind: "lost",
          problem: {
            code: "tunnel.lost",
            title: "No SSH server answers at any address of the hub",
            why: `Tried ${state.addresses.join(", ")}, port ${state.sshd_port}.`,
            fix: "It connects again by itself once the network is back.",
          },
        };
      } else {
        const options: TunnelOptions = {
          address,
          sshdPort: state.sshd_port,
          user: state.ssh_user,
          identity: hostKeyPath(paths),
          knownHosts,
          remote: state.ports,
          local: { http: ports.hostHttp, ssh: ports.hostSsh },
          hubHttps: machinesPort(state.https_port),
          localHub: ports.hostHttp + 2,
          ...tunnelCiphers(),
        };
        tell({ address });
        end = await runTunnel(options, {
          signal: stop.signal,
          elsewhere: () =>
            mtime(paths.state) !== paired && belonging(readHostState(paths)) !== belonging(state),
          runDir: paths.run,
          keep: args["keep-tunnel"] === true,
          onUp(adopted) {
            failures = 0;
            known.good = address;
            known.wrong.clear();
            log.info(adopted ? "tunnel up: it outlived a restart" : "tunnel up", { address });
            tell({ state: "up", problem: null, hub_key: null });
          },
          onBeat(rtt_ms) {
            if (current.state === "up") tell({ rtt_ms });
          },
        });
        if (stop.signal.aborted) break;
        if (["host-key", "refused", "offered"].includes(end.kind)) known.wrong.add(address);
        if (end.kind === "host-key") {
          hub_key = await bothKeys(address, state);
          end.problem.why = `It shows ${hub_key.shown ?? "a key that could not be read"}; this machine was paired with ${hub_key.known}.`;
        }
        if (end.kind === "refused") {
          const offered = await offerKey(state, key);
          // Accepted meanwhile; authorized_keys follows at once.
          if (offered === "known") end.kind = "lost";
          else if (offered?.kind === "offered") end = offered;
          else if (offered) end.problem.why = `The hub says: ${offered.problem.title}.`;
        }
        // A silent or lost session may still hold our ports on the hub.
        if (end.kind === "ports-busy") {
          await takeOver(options).catch((error: unknown) => log.warn("takeover", { why: messageOf(error) }));
        }
      }
      log.warn("no tunnel", { address, code: end.problem.code, why: end.problem.why });
      // Taking over is a step on the way, not a state to show.
      if (end.kind !== "ports-busy" || failures > 2) {
        tell({ state: "down", rtt_ms: null, problem: end.problem, hub_key });
      }
      const elsewhere = candidates.some((one) => !known.wrong.has(one));
      const kind = elsewhere && end.kind !== "ports-busy" ? "lost" : end.kind;
      const until = performance.now() + nextBackoff(kind, failures, Math.random());
      // Paired anew: what was refused may work now.
      while (performance.now() < until && !stop.signal.aborted && mtime(paths.state) === paired) {
        await Bun.sleep(Math.min(WAKE_POLL_MS, Math.max(1, until - performance.now())));
      }
      if (mtime(paths.state) !== paired) {
        known.wrong.clear();
        failures = 0;
      } else failures += 1;
    }
  },
});

/** For `systemctl status`. */
export function statusLine(now: ConnectorState): string {
  const lines: Record<ConnectorState["state"], string> = {
    unpaired: "waiting to be paired with a hub",
    none: "hub and host are one machine: no tunnel",
    connecting: `connecting to ${now.address ?? "the hub"}`,
    up: `tunnel to ${now.address} is up`,
    down: `no tunnel: ${now.problem?.title ?? "connecting again"}`,
  };
  return lines[now.state];
}

/** What makes a tunnel another one; the hub's host key and its addresses may change under it. */
const belonging = (state: HostState | undefined): string =>
  JSON.stringify([state?.hub_id, state?.host_id, state?.ports, state?.sshd_port, state?.ssh_user]);

function mtime(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The address that worked before this process began. */
function lastGood(path: string): string | null {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as Partial<ConnectorState>).address ?? null;
  } catch {
    return null; // the first start, or a file that only ever helps
  }
}

/** A person must be able to compare: what is shown now, and what this machine was told when it was paired. */
async function bothKeys(address: string, state: HostState): Promise<MetHubKey> {
  const shown = await shownHostKey(address, state.sshd_port);
  return { known: fingerprint(state.ssh_host_key), shown: shown ? fingerprint(shown) : null, address };
}
