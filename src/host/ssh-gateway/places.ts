/** Files that the daemon and its SSH gateway share. */
import { join } from "node:path";
import { type HostPaths, socketPath } from "../../core/paths.ts";

/** Who may log in where. */
export const accessFile = (paths: HostPaths): string => join(paths.dir, "ssh-access.json");
/** The daemon's end. */
export const gatewaySocket = (paths: HostPaths): string => socketPath(join(paths.run, "ssh.sock"));
/** Which process listens. */
export const gatewayRecord = (paths: HostPaths): string => join(paths.run, "ssh-gateway.json");
