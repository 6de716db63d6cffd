/** A process by number and start time: numbers are used again, the two together are not. */
import { readFileSync } from "node:fs";
import { errnoOf } from "./errors.ts";

/** Field 22 of /proc/<pid>/stat, counted behind the closing parenthesis: a name may hold spaces. */
export function startTime(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    // A zombie runs no more; its parent has not asked yet.
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ESRCH") return undefined;
    throw error;
  }
}
