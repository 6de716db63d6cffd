/** What every call of podman has in common, so that an instance has its own records, settings and pause process. */
import { writeFileAtomic } from "../../core/state-file.ts";

/**
 * Podman's own settings instead of the machine's: an admin's containers.conf must not change what isolates a project.
 * Podman's default sysctl (ping_group_range) cannot be set from inside the user namespace: the guard sets it.
 */
const CONFIG = `[containers]
default_sysctls = []
base_hosts_file = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`;

/** The settings' path, for CONTAINERS_CONF. */
export function writePodmanConfig(run: string): string {
  const path = `${run}/containers.conf`;
  writeFileAtomic(path, CONFIG);
  return path;
}

/** Records, locks and runtime files of this instance alone. */
export function globalFlags(storage: string, run: string): string[] {
  return [
    "--root",
    `${storage}/podman`,
    "--runroot",
    `${run}/podman`,
    "--storage-driver",
    "vfs",
    // cgroupfs everywhere: a container must not depend on a systemd session, nor end with our unit.
    "--cgroup-manager",
    "cgroupfs",
    "--events-backend",
    "none",
    "--log-level",
    "error",
  ];
}
