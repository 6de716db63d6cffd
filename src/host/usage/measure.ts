/** What the processes of a project use: its cgroup's own figures, or, without one, the sum over them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../process/own-processes.ts";

export interface Measured {
  memory_bytes: number;
  /** CPU time so far, milliseconds. */
  cpu_ms: number;
  processes: number;
}

const ROOT = "/sys/fs/cgroup";
/** Of USER_HZ, which is 100 on every Linux that Bun runs on. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
function number(path: string): number | undefined {
  const value = Number(text(path)?.trim());
  return Number.isFinite(value) ? value : undefined;
}

/** Controller → directory, of what /proc/<pid>/cgroup says; the key "" is version 2. Pure. */
export function cgroupDirs(said: string): Map<string, string> {
  const dirs = new Map<string, string>();
  for (const line of said.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined || path.includes("..")) continue;
    if (controllers === "") dirs.set("", join(ROOT, path));
    for (const one of controllers.split(",").filter(Boolean)) dirs.set(one, join(ROOT, controllers, path));
  }
  return dirs;
}

/** undefined where the project has no cgroup of its own: it would count what else is in there. */
function byCgroup(pid: number): Measured | undefined {
  const dirs = cgroupDirs(text(`/proc/${pid}/cgroup`) ?? "");
  const two = dirs.get("");
  const memory = dirs.get("memory");
  const pids = dirs.get("pids");
  const cpu = dirs.get("cpuacct");
  const own = (dir: string | undefined) => dir !== undefined && dir !== ROOT && /libpod|cocalc/.test(dir);
  if (own(memory) && own(pids) && own(cpu)) {
    const used = number(join(memory ?? "", "memory.usage_in_bytes"));
    const cache = Number(
      /^total_inactive_file (\d+)/m.exec(text(join(memory ?? "", "memory.stat")) ?? "")?.[1],
    );
    const count = number(join(pids ?? "", "pids.current"));
    const ns = number(join(cpu ?? "", "cpuacct.usage"));
    if (used === undefined || count === undefined || ns === undefined) return undefined;
    return { memory_bytes: Math.max(0, used - (cache || 0)), cpu_ms: ns / 1e6, processes: count };
  }
  if (!own(two) || two === undefined) return undefined;
  const used = number(join(two, "memory.current"));
  const cache = Number(/^inactive_file (\d+)/m.exec(text(join(two, "memory.stat")) ?? "")?.[1]);
  const count = number(join(two, "pids.current"));
  const us = Number(/^usage_usec (\d+)/m.exec(text(join(two, "cpu.stat")) ?? "")?.[1]);
  if (used === undefined || count === undefined || !Number.isFinite(us)) return undefined;
  return { memory_bytes: Math.max(0, used - (cache || 0)), cpu_ms: us / 1e3, processes: count };
}

/** utime + stime of /proc/<pid>/stat, in ticks: the name in it may hold anything. Pure. */
export function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

function byProcesses(projectId: string): Measured {
  const sum: Measured = { memory_bytes: 0, cpu_ms: 0, processes: 0 };
  for (const pid of processesOf(projectId)) {
    sum.processes += 1;
    sum.memory_bytes += Number((text(`/proc/${pid}/statm`) ?? "").split(" ")[1] ?? 0) * PAGE_BYTES;
    sum.cpu_ms += cpuTicks(text(`/proc/${pid}/stat`) ?? "") * TICK_MS;
  }
  return sum;
}

/** `pid` is the project's first process, in this machine's numbering. */
export function measure(pid: number, projectId: string): Measured {
  return byCgroup(pid) ?? byProcesses(projectId);
}
