import type { HubPaths } from "../../core/paths.ts";
import type { Ports } from "../../core/ports.ts";
import type { JoinTokens } from "../hosts/join-tokens.ts";
import type { HostStore } from "../hosts/store.ts";
import { endRevokedSessions, writeAuthorizedKeys } from "./files.ts";
import type { BackupKey, JumpKey } from "./render.ts";

/** authorized_keys follows the database: written anew whenever who may come in has changed. */
export function createKeyFiles(deps: {
  paths: HubPaths;
  ports: Ports;
  hosts: HostStore;
  tokens: JoinTokens;
  /** Keys of people that may pass through. */
  jumpKeys: () => Promise<JumpKey[]>;
  dataDir: string | undefined;
  /** Keys beside those of tunnels and pairings. */
  backups: () => Promise<BackupKey[]>;
}) {
  const { paths, ports, hosts, tokens } = deps;
  const dataDir = deps.dataDir === undefined ? "" : ` --data-dir '${deps.dataDir}'`;
  return async function keysChanged(endedHostId?: string): Promise<void> {
    const keys = await hosts.tunnelKeys();
    writeAuthorizedKeys(
      paths,
      keys,
      await tokens.live(),
      {
        httpsPort: ports.machines,
        pairCommand: (tokenId) => `exec '${process.execPath}' pair-handshake --token ${tokenId}${dataDir}`,
      },
      await deps.backups(),
      await deps.jumpKeys(),
    );
    if (endedHostId === undefined) return;
    endRevokedSessions(
      paths,
      ports.sshd,
      keys.map((key) => key.host_id),
    );
  };
}
