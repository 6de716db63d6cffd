/** Where a host keeps its state when root gives no --data-dir, and whose it is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../core/service-users.ts";

export const HOST_USER = { name: "cocalc-host", home: "/var/lib/cocalc-host" };
/** Of the hub, where both are on one machine. */
const HUB_USER_NAME = "cocalc";

function homeOf(user: string): string | undefined {
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${user}:`));
  return entry?.split(":")[5];
}

const below = (home: string | undefined) =>
  home === undefined ? undefined : join(home, ".local/share/cocalc");

/** Where `join` and `up` keep their state when root starts them without --data-dir. */
export function serviceDataDir(): string | undefined {
  return isRoot() ? below(homeOf(HOST_USER.name)) : undefined;
}

/** Where a hub on this machine may have its state, backups included. */
export function hubDirs(dataDir: string | undefined): string[] {
  const roots = dataDir === undefined ? [below(homeOf(HUB_USER_NAME))] : [dataDir];
  return roots.flatMap((root) => (root === undefined ? [] : [join(root, "launchpad")]));
}
