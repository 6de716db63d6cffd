/**
 * A machine that is a host already and is to become one of another hub. What told the former hub who it is is put
 * aside, not thrown away; its projects stay on the disk, stopped, so that nothing runs that no hub knows of.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import type { HostPaths } from "../../core/paths.ts";
import { ensureDir } from "../../core/paths.ts";
import { encodePrivateKey, type KeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { projectRecords } from "../projects/record.ts";
import { accessFile } from "../ssh-gateway/places.ts";
import { type HostState, hostKeyPath } from "../state.ts";

/** Returns how many projects of the former hub stay here. */
export function leaveFormerHub(paths: HostPaths, former: HostState, key: KeyPair): number {
  const suffix = `.of-${former.hub_id.slice(0, 8)}`;
  for (const path of [paths.ssh, paths.state]) {
    // An earlier stay at the same hub was put aside before: its keys are worth nothing by now.
    for (let n = 1; existsSync(path); n++) {
      const aside = `${path}${suffix}${n === 1 ? "" : `-${n}`}`;
      if (!existsSync(aside)) renameSync(path, aside);
    }
  }
  // Whom the former hub let in over SSH: the daemon that begins anew ends their sessions.
  rmSync(accessFile(paths), { force: true });
  ensureDir(paths.ssh);
  writeFileAtomic(hostKeyPath(paths), encodePrivateKey(key, "cocalc-project-host"));
  writeFileAtomic(`${hostKeyPath(paths)}.pub`, `${key.publicLine} cocalc-project-host\n`, 0o644);
  if (!existsSync(paths.projects)) return 0;
  const records = projectRecords(paths.projects);
  const kept = records.load();
  for (const record of kept) records.save({ ...record, desired: "stopped" });
  return kept.length;
}
