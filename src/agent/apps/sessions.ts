/** Processes of one session (setsid), from /proc: an app's whole tree, also what it left to init. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessStat {
  pid: number;
  session: number;
  /** Clock ticks since boot: with the pid it names a process for good. */
  started: number;
  /** Clock ticks of CPU so far. */
  cpu: number;
  zombie: boolean;
}

/** A line of /proc/<pid>/stat: the name in it may hold anything, parentheses too. */
export function parseStat(line: string): ProcessStat | undefined {
  const end = line.lastIndexOf(")");
  const pid = Number.parseInt(line, 10);
  const rest = line.slice(end + 2).split(" ");
  if (end < 0 || !Number.isInteger(pid) || rest.length < 20) return undefined;
  return {
    pid,
    zombie: rest[0] === "Z" || rest[0] === "X",
    session: Number(rest[3]),
    cpu: Number(rest[11]) + Number(rest[12]),
    started: Number(rest[19]),
  };
}

export function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // It ended.
    return undefined;
  }
}

/** Living members of a session. */
export function sessionMembers(session: number): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat !== undefined)
    .filter((stat) => stat.session === session && !stat.zombie);
}

export function signalSession(session: number, signal: NodeJS.Signals): void {
  for (const { pid } of sessionMembers(session)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}

const ESTABLISHED = "01";

/** Connections to a local port in a table of /proc/net/tcp or tcp6, seen from the listening side. */
export function countConnections(table: string, port: number): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(wanted) && fields[3] === ESTABLISHED).length;
}

export function connectionsTo(port: number): number {
  let sum = 0;
  for (const table of ["tcp", "tcp6"]) {
    try {
      sum += countConnections(readFileSync(`/proc/self/net/${table}`, "latin1"), port);
    } catch {
      // No IPv6.
    }
  }
  return sum;
}
