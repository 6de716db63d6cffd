/** Ports, all derived from one. A port in use is an error that names who holds it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CodedError, EX } from "./errors.ts";

export const DEFAULT_BASE_PORT = 9200;
/** base + 1100 + this many hosts must stay below 65536, base − 198 above 1024. */
export const MIN_BASE_PORT = 1223;
export const MAX_BASE_PORT = 63_000;
/** Ports for project pages, each an origin for one project of one person: base+10 … base+73. */
export const SHARDS = 64;
/** Hosts a hub can number: two ranges of this length. */
export const MAX_HOSTS = 1000;

export interface Ports {
  /** HTTPS on every address: UI, API, sockets. */
  https: number;
  sshd: number;
  /** HTTPS: project pages, an origin of their own. */
  apps: number;
  /** Plain HTTP on 127.0.0.1 and ::1 alone. */
  loopbackUi: number;
  loopbackApps: number;
  /** HTTPS on 127.0.0.1 alone, with the certificate of the hub's own CA: where hosts' tunnels lead. */
  machines: number;
  /** HTTPS: the first of {@link SHARDS} ports, each an origin for one project of one person. */
  firstShard: number;
  /** The project host's HTTP, on 127.0.0.1 alone. */
  hostHttp: number;
  /** The project host's SSH gateway, on 127.0.0.1 alone. */
  hostSsh: number;
  /** First public SSH port of a host, and first loopback port of a tunnel. */
  firstSsh: number;
  firstTunnel: number;
}

/** A host knows its hub by the base port alone. */
export const machinesPort = (base: number): number => base + 5;

export function derivePorts(base: number): Ports {
  return {
    https: base,
    sshd: base + 1,
    apps: base + 2,
    loopbackUi: base + 3,
    loopbackApps: base + 4,
    machines: machinesPort(base),
    firstShard: base + 10,
    hostHttp: base - 198,
    hostSsh: base - 197,
    firstSsh: base + 100,
    firstTunnel: base + 1100,
  };
}

/** Plus has one door, plain HTTP on loopback at base: the UI by its own names, project pages by `<project_id>.localhost`. */
export function plusPorts(base: number): Ports {
  return { ...derivePorts(base), loopbackUi: base, loopbackApps: base };
}

/** `command (pid)` of whoever listens on a TCP port of this machine, or null where /proc does not tell. */
export function portOwner(port: number): string | null {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    let text = "";
    try {
      text = readFileSync(table, "utf8");
    } catch {
      continue; // no IPv6, or no /proc
    }
    for (const line of text.split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      // 0A is LISTEN in the kernel's table.
      if (fields[1]?.endsWith(`:${hex}`) && fields[3] === "0A" && fields[9])
        inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return null;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (!inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) continue;
        return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
      }
    } catch {
      // another user's process, or one that just ended
    }
  }
  return "a process of another user";
}

export function portInUse(port: number, what: string): CodedError {
  const owner = portOwner(port);
  return new CodedError({
    code: "port.in-use",
    title: `Port ${port} (${what}) is in use`,
    why: owner === null ? "Another program holds it." : `${owner} holds it.`,
    fix: "Stop that program, or start with another --base-port.",
    exit: EX.UNAVAILABLE,
  });
}

/** Throws {@link portInUse} for the first port that cannot be bound on this address. */
export async function checkPortsFree(ports: Record<string, number>, hostname = "0.0.0.0"): Promise<void> {
  for (const [what, port] of Object.entries(ports)) {
    try {
      Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    } catch {
      throw portInUse(port, what);
    }
  }
}
