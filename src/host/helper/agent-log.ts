/** The end of what a project's agent and its first programs printed, as podman's k8s-file driver keeps it. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { errnoOf } from "../../core/errors.ts";

const MAX_BYTES = 64 * 1024;
const MAX_LINES = 200;

/** Last lines, oldest first; none where there is no log yet. A link in its place is not followed. */
export function readAgentLog(path: string): string[] {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, MAX_BYTES));
    readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    // `<time> <stream> <F|P> <text>`
    return bytes
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .slice(-MAX_LINES)
      .map((line) => line.replace(/^\S+ (stdout|stderr) [FP] /, ""));
  } finally {
    closeSync(fd);
  }
}
