/**
 * Watches the way to every host. `up` means that a signed echo went end to end: another process on the port, or
 * another host's stale listener, cannot sign it.
 */

import { MAX_CLOCK_SKEW_SECONDS, verifyAssertion } from "../../contract/grants.ts";
import { echoReplySchema } from "../../contract/host-control.ts";
import { messageOf, type ProblemDetails } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { decodePublicLine } from "../../core/ssh-keys.ts";
import type { HostStore } from "../hosts/store.ts";
import { NO_TUNNEL, nextTunnelState } from "../hosts/tunnel-state.ts";

const log = logger("tunnels");
export const ECHO_INTERVAL_MS = 2_000;
const ECHO_TIMEOUT_MS = 4_000;
/** Lost echoes in a row that are forgiven. */
const ALLOWED_MISSES = 1;

export interface Target {
  host_id: string;
  /** Loopback port: the tunnel's, or the host daemon's own on the hub's machine. */
  port: number;
  public_key: string;
}

export interface EchoResult {
  rtt_ms: number;
  /** Host's clock minus the hub's, seconds. */
  skew_s: number;
}

/** One signed echo. Throws with what went wrong. */
export async function echo(target: Target, hubId: string): Promise<EchoResult> {
  const nonce = randomToken(16);
  const began = performance.now();
  const response = await fetch(`http://127.0.0.1:${target.port}/echo?nonce=${nonce}`, {
    signal: AbortSignal.timeout(ECHO_TIMEOUT_MS),
  });
  const { assertion } = echoReplySchema.parse(await response.json());
  const rtt_ms = performance.now() - began;
  const claims = await verifyAssertion(assertion, "echo", {
    key: decodePublicLine(target.public_key) as never,
    hubId,
    hostId: target.host_id,
    judgeClock: false,
  });
  if (claims.nonce !== nonce) throw new Error("the echo was made for another question");
  const time = typeof claims.time === "number" ? claims.time : Date.now() / 1000;
  return { rtt_ms, skew_s: time - Date.now() / 1000 };
}

/** Grants carry times, so a clock that is far off makes each of them invalid. Pure. */
export function clockProblem(skewSeconds: number): ProblemDetails | undefined {
  if (Math.abs(skewSeconds) <= MAX_CLOCK_SKEW_SECONDS) return undefined;
  return {
    code: "host.clock-skew",
    title: `Its clock is ${Math.round(Math.abs(skewSeconds))} s ${skewSeconds > 0 ? "ahead of" : "behind"} the hub's`,
    why: "Grants carry times: more than 5 minutes apart makes every one invalid.",
    fix: "Turn on time synchronisation on that machine.",
    command: "timedatectl set-ntp true",
  };
}

export function createTunnels(deps: {
  hosts: HostStore;
  hubId: string;
  target(host_id: string): Promise<Target | undefined>;
  onUp(hostId: string): void;
  onDown(hostId: string): void;
  /** Its clock went wrong, or right again. */
  onClock(hostId: string): void;
}) {
  const states = new Map<string, { state: typeof NO_TUNNEL; misses: number; clock?: ProblemDetails }>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  async function poll(hostId: string, kind: string): Promise<void> {
    const target = await deps.target(hostId);
    if (!target) return;
    const known = states.get(hostId) ?? { state: { ...NO_TUNNEL }, misses: 0 };
    let result: EchoResult | undefined;
    let why = "";
    try {
      result = await echo(target, deps.hubId);
    } catch (error) {
      why = messageOf(error);
    }
    known.misses = result ? 0 : known.misses + 1;
    const before = known.state.state;
    known.state = nextTunnelState(known.state, result?.rtt_ms ?? null, new Date(), {
      inARow: known.misses,
      allowed: ALLOWED_MISSES,
    });
    states.set(hostId, known);
    deps.hosts.setTunnel(hostId, known.state);
    if (result && before !== "up") {
      log.info("echo went round", { host_id: hostId, rtt_ms: Math.round(result.rtt_ms * 100) / 100 });
      if (kind !== "local") await deps.hosts.setStep(hostId, "tunnel-up", { state: "done" });
      await deps.hosts.setStep(hostId, "echo", { state: "done", detail: `${result.rtt_ms.toFixed(1)} ms` });
      deps.onUp(hostId);
    }
    if (!result && before === "up" && known.state.state === "down") {
      log.warn("no echo", { host_id: hostId, why });
      deps.onDown(hostId);
    }
    if (!result) return;
    const clock = clockProblem(result.skew_s);
    if (clock?.code === known.clock?.code) return;
    if (clock) known.clock = clock;
    else delete known.clock;
    deps.onClock(hostId);
  }

  async function round(): Promise<void> {
    const began = Date.now();
    try {
      const hosts = (await deps.hosts.all()).filter((host) => host.desired_state === "ready");
      await Promise.all(hosts.map((host) => poll(host.host_id, host.type.kind)));
    } catch (error) {
      log.error("a round of echoes failed", error);
    }
    if (!ended)
      timer = setTimeout(() => void round(), Math.max(100, ECHO_INTERVAL_MS - (Date.now() - began)));
  }

  return {
    start: () => void round(),
    /** Does not wait for the next round. */
    echoNow() {
      clearTimeout(timer);
      void round();
    },
    stop() {
      ended = true;
      clearTimeout(timer);
    },
    isUp: (hostId: string) => states.get(hostId)?.state.state === "up",
    /** What is wrong with its clock, as the last echo showed. */
    clock: (hostId: string) => states.get(hostId)?.clock,
  };
}
export type Tunnels = ReturnType<typeof createTunnels>;
