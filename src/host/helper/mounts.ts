/** What is mounted, as this process's mount namespace says, and taking it away. */
import { readFileSync } from "node:fs";
import { execOk } from "../../core/exec.ts";

/** Mount points at or below `path`, deepest last mounted first. */
export function mountsBelow(path: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replaceAll(/\\([0-7]{3})/g, (_, n: string) =>
        String.fromCharCode(parseInt(n, 8)),
      ),
    )
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}

/** Unmounts all at or below `path`; lazily, as a process that was just killed may still be leaving. */
export async function unmountAll(path: string): Promise<void> {
  for (const point of mountsBelow(path)) await execOk(["umount", "--lazy", "--no-mtab", point]);
}
