/** What this host tells the hub of itself. */
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, freemem, loadavg, totalmem } from "node:os";
import type { HostReport } from "../../contract/api.ts";
import { type ProblemDetails, toProblem } from "../../core/errors.ts";
import { COMMIT, VERSION } from "../../core/version.ts";
import type { Helper } from "../helper/client.ts";
import { machineFacts } from "./facts.ts";

/** Memory a program could still have: what the kernel says, since caches are not in use. */
export function available(): number {
  try {
    const kib = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
    return kib === undefined ? freemem() : Number(kib) * 1024;
  } catch {
    return freemem();
  }
}

/** Busy share of all processors since the last call, percent. */
function cpuMeter(): () => number {
  const read = () => {
    let idle = 0;
    let total = 0;
    for (const { times } of cpus()) {
      idle += times.idle;
      total += times.user + times.nice + times.sys + times.idle + times.irq;
    }
    return { idle, total };
  };
  let before = read();
  return () => {
    const now = read();
    const total = now.total - before.total;
    const busy = total > 0 ? 1 - (now.idle - before.idle) / total : 0;
    before = now;
    return Math.round(busy * 1000) / 10;
  };
}

async function runtime(helper: Helper): Promise<HostReport["runtime"]> {
  try {
    const hello = await helper.call("hello", {});
    const problem = hello.problem as HostReport["runtime"]["problem"];
    const root = hello.kind === "root";
    const kind = hello.kind === "process" ? "process" : root ? "podman" : "podman-rootless";
    return { kind: problem ? "none" : kind, helper: root, cgroup: hello.cgroup, problem };
  } catch (error) {
    return { kind: "none", helper: false, cgroup: "", problem: toProblem(error) };
  }
}

async function storage(helper: Helper, dir: string): Promise<HostReport["storage"]> {
  try {
    const pool = await helper.call("storage.facts", {});
    const health = await helper.call("storage.health", {});
    const { kind, total_bytes, free_bytes } = pool;
    const quotas = pool.counted === "simple";
    return { kind, total_bytes, free_bytes, quotas, pool, health, problem: null };
  } catch (error) {
    // Without a helper, or a pool that is not mounted: what the directory is on.
    const fs = await statfs(dir);
    const total_bytes = fs.blocks * fs.bsize;
    const free_bytes = fs.bavail * fs.bsize;
    const told = toProblem(error);
    // That the helper does not answer is told of the runtime.
    const problem = told.code.startsWith("storage.") ? told : null;
    return { kind: "directory", total_bytes, free_bytes, quotas: false, pool: null, health: null, problem };
  }
}

async function systemImage(helper: Helper): Promise<HostReport["system_image"]> {
  try {
    const { digest, problem } = await helper.call("image.system", { make: false });
    return { digest, problem: problem as ProblemDetails | null };
  } catch (error) {
    return { digest: null, problem: toProblem(error) };
  }
}

export function createReporter(deps: { dir: string; helper: Helper; counts: () => HostReport["projects"] }) {
  const cpu = cpuMeter();
  return async (): Promise<HostReport> => {
    return {
      version: VERSION,
      commit: COMMIT,
      time: new Date().toISOString(),
      uptime_ms: Math.round(process.uptime() * 1000),
      facts: machineFacts(),
      load: { cpu_percent: cpu(), load1: loadavg()[0] ?? 0 },
      memory: { total_bytes: totalmem(), available_bytes: available() },
      storage: await storage(deps.helper, deps.dir),
      runtime: await runtime(deps.helper),
      system_image: await systemImage(deps.helper),
      projects: deps.counts(),
    };
  };
}
