/** Whether this machine lets us limit what projects use: a container, or a unit without delegation, may not. */
import { accessSync, constants, readFileSync } from "node:fs";
import type { ProblemDetails } from "../../core/errors.ts";

const WANTED = ["memory", "pids", "cpu"];

export interface CgroupView {
  /** Controllers that can be used here. */
  controllers: string[];
  writable: boolean;
}

/** Pure. null: a project's memory, processes and processors can be limited. */
export function cgroupProblem({ controllers, writable }: CgroupView): ProblemDetails | null {
  const missing = WANTED.filter((one) => !controllers.includes(one));
  if (missing.length === 0 && writable) return null;
  return {
    code: "runtime.no-cgroups",
    title: "This machine does not let projects be limited",
    why:
      missing.length > 0
        ? `The cgroup controllers ${missing.join(", ")} are not there: one project could take all memory.`
        : "Its cgroups cannot be written: we run in a container, or in a unit, that delegates none.",
    fix: "In a container: start it with its cgroups writable (podman and docker: --privileged, or --cgroupns=private with /sys/fs/cgroup writable). In a systemd unit: Delegate=yes. Else mount cgroup2 at /sys/fs/cgroup.",
  };
}

/** As the kernel shows it. On cgroup v1 each controller is a hierarchy of its own. */
export function cgroupView(kind: "v1" | "v2", root = "/sys/fs/cgroup"): CgroupView {
  const canWrite = (path: string) => {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (kind === "v2") {
    const text = readFileSync(`${root}/cgroup.controllers`, "utf8");
    return { controllers: text.trim().split(/\s+/), writable: canWrite(`${root}/cgroup.procs`) };
  }
  const there = WANTED.filter((one) => canRead(`${root}/${one}/cgroup.procs`));
  return { controllers: there, writable: there.every((one) => canWrite(`${root}/${one}/cgroup.procs`)) };
}

function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
