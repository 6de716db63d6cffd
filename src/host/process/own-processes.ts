/** A project's processes where no container tells: by what their environment says, which each child inherits. */
import { readdirSync, readFileSync } from "node:fs";
import { PROJECT_ID_ENV } from "../../contract/agent-protocol.ts";

/** undefined when it is gone, or somebody else's. */
export function environOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Whether this pid is a living process of the project, and not another that got the number since. */
export function isOfProject(pid: number, projectId: string): boolean {
  return (environOf(pid)?.includes(`${PROJECT_ID_ENV}=${projectId}`) ?? false) && isAlive(pid);
}

/** All of them; one that cleared its environment is no longer known by it. */
export function processesOf(projectId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isOfProject(pid, projectId));
}
