/**
 * Live connections of our sshd, found by the socket they hold. A pid file names a session that ran its forced command;
 * a client with a valid key may open others that run none (`ssh -N`), or several. Whoever must be gone is found here.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { errnoOf } from "../../core/errors.ts";
import { startTime } from "../../core/processes.ts";
import { tunnelPidFile } from "./render.ts";

export interface SshdSession {
  /** sshd's monitor and its child; both hold the connection. */
  pids: number[];
}

/** The process that a host's tunnel session recorded, if it is still that process. */
export function recordedSession(runDir: string, hostId: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(tunnelPidFile(runDir, hostId), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const [pid = 0, started] = text.trim().split(" ").map(Number);
  return pid > 0 && startTime(pid) === started ? pid : undefined;
}

/** Inodes of the connections that came to this port: pure. `01` is ESTABLISHED in the kernel's table. */
export function inodesOfPort(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hex}`) && fields[3] === "01" && fields[9] !== "0")
    .map((fields) => fields[9] ?? "");
}

/** Sessions of the sshd that listens on `port`, as far as they are this user's (all, when root). */
export function liveSessions(port: number): SshdSession[] {
  const sessions = new Map<string, SshdSession>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    try {
      for (const inode of inodesOfPort(readFileSync(table, "utf8"), port)) {
        sessions.set(`socket:[${inode}]`, { pids: [] });
      }
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error; // no IPv6
    }
  }
  if (sessions.size === 0) return [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        sessions.get(readlinkSync(`/proc/${pid}/fd/${fd}`))?.pids.push(Number(pid));
      }
    } catch {
      // another user's process, or one that just ended
    }
  }
  return [...sessions.values()].filter((session) => session.pids.length > 0);
}

/** Ends every session that holds none of the processes in `keep`; returns how many. */
export function endSessions(port: number, keep: ReadonlySet<number> = new Set()): number {
  let ended = 0;
  for (const session of liveSessions(port)) {
    if (session.pids.some((pid) => keep.has(pid))) continue;
    ended += 1;
    for (const pid of session.pids) {
      try {
        process.kill(pid, "SIGTERM");
      } catch (error) {
        if (errnoOf(error) !== "ESRCH") throw error;
      }
    }
  }
  return ended;
}
