/** What is mounted in the mount namespace that projects are made in, and taking it away. */
import type { Privilege } from "./privilege.ts";

/** Mount points at or below `path` in the text of a mountinfo, last mounted first. */
export function mountPoints(mountinfo: string, path: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replaceAll(/\\([0-7]{3})/g, (_, n: string) =>
        String.fromCharCode(Number.parseInt(n, 8)),
      ),
    )
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}

export async function mountsBelow(privilege: Privilege, path: string): Promise<string[]> {
  const text =
    privilege.kind === "root"
      ? await Bun.file("/proc/self/mountinfo").text()
      : await privilege.execOk(["cat", "/proc/self/mountinfo"]);
  return mountPoints(text, path);
}

/** Unmounts all at or below `path`; lazily, as a process that was just killed may still be leaving. */
export async function unmountAll(privilege: Privilege, path: string): Promise<void> {
  for (const point of await mountsBelow(privilege, path)) {
    try {
      await privilege.execOk(["umount", "--lazy", "--no-mtab", point]);
    } catch (error) {
      // Somebody who cleans up at the same time was sooner.
      if ((await mountsBelow(privilege, path)).includes(point)) throw error;
    }
  }
}
