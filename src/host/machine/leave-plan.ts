/** What leaving a hub removes from this machine and what it keeps. Pure but for looking whether things are there. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Leaving } from "../../contract/host-verbs/machine.ts";
import type { HostPaths } from "../../core/paths.ts";
import { isRoot } from "../../core/service-users.ts";

/** Of an installation under systemd. */
export const INSTALLATION = "/usr/local/lib/cocalc";

/** Whether the installer made what is below this root; another instance beside it is none of its own. */
export function isInstalled(dataRoot: string): boolean {
  const receipt = join(INSTALLATION, "receipt");
  return existsSync(receipt) && readFileSync(receipt, "utf8").split("\n").includes(`dir ${dataRoot}/bin`);
}

/** Outside every data directory: it is to be read when that is gone. */
export function logDir(root = isRoot()): string {
  return root ? "/var/log/cocalc" : join(homedir(), ".local/state/cocalc");
}

export const logPath = (hostId: string, root?: boolean): string => join(logDir(root), `left-${hostId}.log`);

/** What tells this machine's projects apart from its being a host: keys, the hub's word, who may log in, what runs. */
export const IDENTITY = ["host.json", "ssh", "ssh-access.json", "run"] as const;

export function leavingPlan(
  paths: HostPaths,
  options: {
    keepData: boolean;
    installed: boolean;
    hostId: string;
    root: boolean;
    has?: (path: string) => boolean;
  },
): Leaving {
  const has = options.has ?? existsSync;
  const programs = options.installed
    ? ["services, units, helper and programs of ours", "ranges of user ids and the AppArmor profile of ours"]
    : ["what runs here: daemon, connector, helper", join(paths.dir, "../bin")].filter(
        (one) => !one.startsWith("/") || has(one),
      );
  const identity = IDENTITY.map((name) => join(paths.dir, name)).filter(has);
  const data = ["projects", "storage", "images", "host.sqlite"]
    .map((name) => join(paths.dir, name))
    .filter(has);
  return {
    removes: [
      ...programs,
      ...(options.keepData ? identity : [paths.dir]),
      ...(options.installed && !options.keepData ? ["the service's user"] : []),
    ],
    keeps: [
      ...(options.keepData ? data : []),
      ...(options.keepData && options.installed ? ["the service's user, who owns that"] : []),
      "packages of the distribution",
      logPath(options.hostId, options.root),
    ],
    log: logPath(options.hostId, options.root),
  };
}
