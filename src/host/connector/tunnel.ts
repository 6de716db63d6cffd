/**
 * The reverse tunnel: OpenSSH's client with the hub's pinned key and one ordinary session whose far end echoes. The
 * session makes sshd set TCP_NODELAY (without it answers stall 40 ms), and its echo is the heartbeat.
 */
import { readFileSync } from "node:fs";
import { CodedError, type ProblemDetails } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { type HeldSsh, holdSsh } from "./held-ssh.ts";

const log = logger("tunnel");

export interface TunnelOptions {
  address: string;
  sshdPort: number;
  user: string;
  identity: string;
  knownHosts: string;
  /** Ports on the hub. */
  remote: { http: number; ssh: number };
  /** Ports here, on 127.0.0.1. */
  local: { http: number; ssh: number };
  /** The hub's HTTPS port, and the port here that leads to it through the tunnel. */
  hubHttps: number;
  localHub: number;
  /** As `Ciphers` takes them; ssh's own choice unless said. */
  ciphers?: string;
}

/**
 * Half of what a byte costs ssh and sshd is ChaCha20-Poly1305, which ssh asks for first: right where the processor has no
 * instructions for AES. Where it has, AES-GCM takes a third off the whole (measured). Takes the text of /proc/cpuinfo.
 */
export function tunnelCiphers(cpuinfo = readCpuinfo()): { ciphers?: string } {
  if (!/^(flags|Features)\s*:.*\baes\b/m.test(cpuinfo)) return {};
  const gcm = "aes128-gcm@openssh.com,aes256-gcm@openssh.com";
  return { ciphers: `${gcm},chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr` };
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}

/** A heartbeat each 5 s, dead after 15 s without an answer: packets that are dropped, not refused, show in no other way. */
export const HEARTBEAT_MS = 5_000;
export const DEAD_AFTER_MS = 15_000;
const UP_TIMEOUT_MS = 20_000;
const ELSEWHERE_MS = 1_000;

export type TunnelEnd = {
  /** `offered`: the hub refuses this machine's key, and shows it to its admin. */
  kind: "lost" | "refused" | "offered" | "host-key" | "ports-busy";
  problem: ProblemDetails;
};

/** Pure: the argument vector, so that a golden test holds it. */
export function sshArgv(options: TunnelOptions, command: string[] = []): string[] {
  const set = (option: string) => ["-o", option];
  const forwards =
    command.length > 0
      ? []
      : [
          "-R",
          `127.0.0.1:${options.remote.http}:127.0.0.1:${options.local.http}`,
          "-R",
          `0.0.0.0:${options.remote.ssh}:127.0.0.1:${options.local.ssh}`,
          "-L",
          `127.0.0.1:${options.localHub}:127.0.0.1:${options.hubHttps}`,
        ];
  return [
    "ssh",
    "-T",
    "-F",
    "none",
    "-p",
    String(options.sshdPort),
    "-i",
    options.identity,
    ...set("IdentitiesOnly=yes"),
    ...set("BatchMode=yes"),
    ...set("StrictHostKeyChecking=yes"),
    ...set(`UserKnownHostsFile=${options.knownHosts}`),
    ...set("GlobalKnownHostsFile=/dev/null"),
    ...set("HostKeyAlias=cocalc-hub"),
    ...set("ServerAliveInterval=15"),
    ...set("ServerAliveCountMax=3"),
    ...set("ExitOnForwardFailure=yes"),
    ...set("ConnectTimeout=10"),
    ...set("ControlPath=none"),
    ...set("LogLevel=ERROR"),
    ...(options.ciphers === undefined ? [] : set(`Ciphers=${options.ciphers}`)),
    ...forwards,
    `${options.user}@${options.address}`,
    ...command,
  ];
}

/** What ssh's last words mean. Pure. */
export function judgeEnd(stderr: string, options: Pick<TunnelOptions, "address" | "sshdPort">): TunnelEnd {
  const where = `${options.address}:${options.sshdPort}`;
  const why = stderr.trim().split("\n").slice(-3).join(" ") || "the connection ended";
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed/i.test(stderr)) {
    return {
      kind: "host-key",
      problem: {
        code: "tunnel.host-key-changed",
        title: `The SSH server at ${where} shows another key than the hub had`,
        why,
        fix: "If it is the hub's new key, an admin accepts it there: cocalc-hub host accept-key. If the hub was set up anew, join again with a new token. Otherwise somebody may be in between.",
      },
    };
  }
  if (/Permission denied/i.test(stderr)) {
    return {
      kind: "refused",
      problem: {
        code: "tunnel.key-refused",
        title: `The hub at ${where} refuses this machine's key`,
        why,
        fix: "Its key was revoked, or the hub was set up anew: join again with a new token.",
      },
    };
  }
  if (/remote port forwarding failed/i.test(stderr)) {
    return {
      kind: "ports-busy",
      problem: {
        code: "tunnel.ports-busy",
        title: "An earlier session still holds this host's ports on the hub",
        why,
      },
    };
  }
  return {
    kind: "lost",
    problem: { code: "tunnel.lost", title: `No connection to the hub at ${where}`, why },
  };
}

/**
 * Runs one tunnel until it ends, or takes over the one that an earlier connector left. `onUp` is called when the first
 * heartbeat came back. When `signal` aborts it ends, unless `keep` leaves it to the next connector.
 */
export async function runTunnel(
  options: TunnelOptions,
  hooks: {
    onUp: (adopted: boolean) => void;
    onBeat: (rtt_ms: number) => void;
    signal: AbortSignal;
    /** Asked each second: this machine belongs to another hub by now, or to none. */
    elsewhere: () => boolean;
    runDir: string;
    keep: boolean;
  },
): Promise<TunnelEnd> {
  const ssh = await holdSsh(hooks.runDir, sshArgv(options));
  const stop = () => (hooks.keep ? ssh.release() : ssh.kill());
  if (hooks.signal.aborted) stop();
  hooks.signal.addEventListener("abort", stop, { once: true });
  const dead = heartbeat(ssh, hooks);
  const watch = setInterval(() => hooks.elsewhere() && ssh.kill(), ELSEWHERE_MS);
  const text = await ssh.ended;
  hooks.signal.removeEventListener("abort", stop);
  clearInterval(watch);
  dead.stop();
  if (dead.silent) {
    return {
      kind: "lost",
      problem: {
        code: "tunnel.silent",
        title: "The tunnel fell silent",
        why: `No heartbeat came back for ${DEAD_AFTER_MS / 1000} s: packets are lost on the way.`,
        fix: "It connects again by itself once the network is back.",
      },
    };
  }
  log.info("ssh ended", { said: text.trim().slice(-300) });
  return judgeEnd(text, options);
}

function heartbeat(
  ssh: HeldSsh,
  hooks: { onUp: (adopted: boolean) => void; onBeat: (rtt_ms: number) => void },
): { stop: () => void; silent: boolean } {
  const state = { silent: false, stop: () => {} };
  const sent = new Map<number, number>();
  let last = performance.now();
  // What an earlier connector sent may still come back: its numbers are not ours.
  let next = Math.floor(Math.random() * 2 ** 40);
  let up = false;
  const began = performance.now();
  const beat = () => {
    const limit = up ? DEAD_AFTER_MS : UP_TIMEOUT_MS;
    if (performance.now() - (up ? last : began) > limit) {
      state.silent = true;
      ssh.kill();
      return;
    }
    next += 1;
    sent.set(next, performance.now());
    try {
      ssh.write(`${next}\n`);
    } catch {
      // the fifo is full: it reads no more, and falls silent
    }
  };
  beat();
  const timer = setInterval(beat, HEARTBEAT_MS);
  let rest = "";
  ssh.onData((text) => {
    rest += text;
    const lines = rest.split("\n");
    rest = (lines.pop() ?? "").slice(-64);
    for (const line of lines) {
      const at = sent.get(Number(line));
      if (at === undefined) continue;
      sent.delete(Number(line));
      last = performance.now();
      hooks.onBeat(performance.now() - at);
      if (!up) {
        up = true;
        hooks.onUp(ssh.adopted);
      }
    }
  });
  state.stop = () => clearInterval(timer);
  return state;
}

/** Ends an earlier session of this very key that still holds the ports. */
export async function takeOver(options: TunnelOptions): Promise<void> {
  const result = await exec(sshArgv(options, ["takeover"]), { timeout: 20_000 });
  log.info("asked the hub to end the stale session", { code: result.code });
  if (result.code !== 0) {
    throw new CodedError({
      code: "tunnel.takeover-failed",
      title: "The stale session could not be ended",
      why: result.stderr,
    });
  }
}
