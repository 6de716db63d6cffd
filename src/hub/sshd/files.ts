/** Writes what sshd reads. authorized_keys follows the database: sshd reads it at each login, so no reload is needed. */
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubPaths } from "../../core/paths.ts";
import { ensureDir } from "../../core/paths.ts";
import { type KeyPair, loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import jumpSession from "./jump-session.sh" with { type: "text" };
import {
  type BackupKey,
  type JumpKey,
  type KeyPaths,
  type PairingKey,
  renderAuthorizedKeys,
  type TunnelKey,
} from "./render.ts";
import { endSessions, recordedSession } from "./sessions.ts";
import tunnelSession from "./tunnel-session.sh" with { type: "text" };

export interface SshdFiles {
  config: string;
  hostKey: string;
  authorizedKeys: string;
  tunnelSession: string;
  jumpSession: string;
  /** There while a host tunnels, a join token lives or somebody may jump: `cocalc-hub sshd` waits for it. */
  needed: string;
}

export function sshdFiles(paths: HubPaths): SshdFiles {
  return {
    config: join(paths.ssh, "sshd_config"),
    hostKey: join(paths.ssh, "host_ed25519"),
    authorizedKeys: join(paths.ssh, "authorized_keys"),
    tunnelSession: join(paths.ssh, "tunnel-session"),
    jumpSession: join(paths.ssh, "jump-session"),
    needed: join(paths.run, "sshd-needed"),
  };
}

/** The hub's host key, made at the first call; the forced command is written anew. */
export function prepareSshdFiles(paths: HubPaths): KeyPair {
  ensureDir(paths.ssh);
  ensureDir(paths.run);
  const files = sshdFiles(paths);
  const pair = loadOrCreateKeyPair(files.hostKey, "cocalc-hub");
  for (const [path, text] of [
    [files.tunnelSession, tunnelSession],
    [files.jumpSession, jumpSession],
  ] as const) {
    writeFileAtomic(path, text, 0o700);
    chmodSync(path, 0o700);
  }
  checkOwnership(paths.ssh);
  return pair;
}

/** In place of StrictModes, which is off because it only tells its log: nobody else may write what sshd trusts. */
function checkOwnership(dir: string): void {
  const { uid, mode } = statSync(dir);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new CodedError({
    code: "sshd.unsafe-directory",
    title: `${dir} is not this user's alone`,
    why: `Its owner is uid ${uid} and its mode ${(mode & 0o777).toString(8)}: somebody else could put a key there.`,
    fix: "Give it back to the service user, closed to others.",
    command: `chown -R cocalc: ${dir} && chmod 700 ${dir}`,
    exit: EX.CONFIG,
  });
}

export function writeAuthorizedKeys(
  paths: HubPaths,
  tunnels: TunnelKey[],
  pairings: PairingKey[],
  options: Pick<KeyPaths, "pairCommand" | "httpsPort">,
  backups: BackupKey[] = [],
  jumps: JumpKey[] = [],
): void {
  const files = sshdFiles(paths);
  const text = renderAuthorizedKeys(
    tunnels,
    pairings,
    {
      ...options,
      tunnelSession: files.tunnelSession,
      jumpSession: files.jumpSession,
      runDir: paths.run,
    },
    backups,
    jumps,
  );
  // Whatever changes in a project calls this: an fsync each time would be one too many.
  if (!existsSync(files.authorizedKeys) || readFileSync(files.authorizedKeys, "utf8") !== text)
    writeFileAtomic(files.authorizedKeys, text);
  if (tunnels.length + pairings.length + backups.length + jumps.length > 0) writeFileAtomic(files.needed, "");
}

/**
 * Ends every session but those of hosts whose keys are valid: sshd itself drops none when a key is removed, and a
 * revoked key may hold several, or ones without a forced command. A valid host that is just connecting comes again.
 */
export function endRevokedSessions(paths: HubPaths, port: number, validHostIds: string[]): number {
  const keep = validHostIds
    .map((hostId) => recordedSession(paths.run, hostId))
    .filter((pid) => pid !== undefined);
  return endSessions(port, new Set(keep));
}
