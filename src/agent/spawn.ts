/**
 * Starts what people ask for, so that it cannot take the agent down. The agent shares its project's limits: where the
 * last process is taken, its runtime can start no thread and aborts (seen with Bun 1.4.5, whose threads come and go);
 * where memory ends, the kernel ends whatever holds most, which among many small ones is the agent. With it go all
 * terminals. So the container's limit of processes is a little above the one that was told (helper/podman.ts); the
 * told one is what the agent's children get, as their soft RLIMIT_NPROC; and they are ended for memory before it.
 */
import { dlopen, ptr } from "bun:ffi";
import { writeFileSync } from "node:fs";

/** asm-generic/resource.h; the same on x86-64 and arm64. */
const RLIMIT_NPROC = 6;
/** For proc(5)'s oom_score_adj: as if each held this many thousandths of the project's memory more than it does. */
const OOM_SCORE_ADJ = "300";

/** Sets the soft limit of this process: to what children get, and back. */
let limit: { children: () => void; own: () => void } | undefined;

/** Once, at the agent's start: no more than `processes` of its user, the agent's own threads among them. NaN: no limit. */
export function boundChildren(processes: number): void {
  if (!Number.isSafeInteger(processes) || processes <= 0) return;
  try {
    const signature = { args: ["i32", "ptr"], returns: "i32" } as const;
    const libc = dlopen("libc.so.6", { getrlimit: signature, setrlimit: signature }).symbols;
    // struct rlimit: soft, hard.
    const own = new BigUint64Array(2);
    if (libc.getrlimit(RLIMIT_NPROC, ptr(own)) !== 0) return;
    const [soft = 0n, hard = 0n] = own;
    const children = BigUint64Array.of(soft < BigInt(processes) ? soft : BigInt(processes), hard);
    limit = {
      children: () => void libc.setrlimit(RLIMIT_NPROC, ptr(children)),
      own: () => void libc.setrlimit(RLIMIT_NPROC, ptr(own)),
    };
  } catch {
    // No glibc: what bounds all is the container's own limit.
  }
}

/** As `Bun.spawn`, within the project's limits. `EAGAIN` where it has as many processes as it may. */
export const spawn = ((...args: Parameters<typeof Bun.spawn>) => {
  limit?.children();
  let proc: Bun.Subprocess;
  try {
    proc = Bun.spawn(...args);
  } finally {
    limit?.own();
  }
  try {
    writeFileSync(`/proc/${proc.pid}/oom_score_adj`, OOM_SCORE_ADJ);
  } catch {
    // It is gone already, or has become another user.
  }
  return proc;
}) as typeof Bun.spawn;
