/**
 * sshd's configuration and authorized_keys, as text. Pure: golden files hold it. Each line was tried
 * against real sshd; what each key must not be able to do is a test.
 */
export interface SshdConfig {
  port: number;
  hostKey: string;
  authorizedKeys: string;
  /** `[9, 2]` of `OpenSSH_9.2p1`. */
  version: readonly [major: number, minor: number];
}

/** A path as one word of sshd_config: `%` begins a token there, a space ends a word. */
function configPath(path: string): string {
  const text = path.replaceAll("%", "%%");
  return /[^\w./%@+-]/.test(text) ? `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : text;
}

/** A word for the shell that runs a forced command, bare where it needs no quotes. */
export function shellWord(text: string): string {
  return /[^\w./@%+=:-]/.test(text) ? `'${text.replaceAll("'", "'\\''")}'` : text;
}

/** Text between the double quotes of an option in authorized_keys, where only `"` is escaped. */
const optionText = (text: string) => text.replaceAll('"', '\\"');

/** PerSourcePenalties (9.8): one refused host behind a NAT would lock out its siblings. */
const hasPenalties = ([major, minor]: readonly [number, number]) => major > 9 || (major === 9 && minor >= 8);

export function renderSshdConfig(config: SshdConfig): string {
  const lines = [
    "# Rendered by cocalc-hub at each start; changes here are lost.",
    `Port ${config.port}`,
    `HostKey ${configPath(config.hostKey)}`,
    "PidFile none",
    `AuthorizedKeysFile ${configPath(config.authorizedKeys)}`,
    // StrictModes refuses every data dir below a group-writable directory and tells only its log: we check ourselves.
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PubkeyAuthentication yes",
    "PermitRootLogin prohibit-password",
    "AllowAgentForwarding no",
    "X11Forwarding no",
    "AllowStreamLocalForwarding no",
    "AllowTcpForwarding yes",
    "GatewayPorts clientspecified",
    "PermitTunnel no",
    "PermitUserRC no",
    "PermitUserEnvironment no",
    "PrintMotd no",
    "ClientAliveInterval 15",
    "ClientAliveCountMax 3",
    "MaxStartups 100:30:200",
    "LogLevel VERBOSE",
    // Without a Subsystem line a forced command does not answer an sftp request; with it, it runs instead of this.
    "Subsystem sftp /bin/false",
  ];
  if (hasPenalties(config.version)) lines.push("PerSourcePenalties no");
  return `${lines.join("\n")}\n`;
}

export interface TunnelKey {
  host_id: string;
  public_key: string;
  http_port: number;
  ssh_port: number;
}
export interface PairingKey {
  token_id: string;
  public_key: string;
  /** ISO time. */
  expires_at: string;
}
/** A host's key for its backups. */
export interface BackupKey {
  host_id: string;
  public_key: string;
  /** The jail, a line for `sh -c`. */
  command: string;
  /** ISO time after which sshd refuses it: for a key lent to read another repository. */
  expires_at?: string;
}
/** A person's key, which passes through to the SSH ports of the hosts with that person's projects. */
export interface JumpKey {
  type: string;
  blob: string;
  ports: number[];
}
export interface KeyPaths {
  /** The tunnel's forced command. */
  tunnelSession: string;
  /** That of people's keys. */
  jumpSession: string;
  /** Directory of the sessions' pid files. */
  runDir: string;
  /** The pairing's forced command, a line for `sh -c`. */
  pairCommand: (tokenId: string) => string;
  httpsPort: number;
}

/** `20261124120000Z`, as `expiry-time=` takes it (UTC since 9.1). */
function expiry(iso: string): string {
  return `${iso.replace(/[-:T]/g, "").slice(0, 14)}Z`;
}

/** Where a tunnel session leaves its pid, so that it can be ended. */
export function tunnelPidFile(runDir: string, hostId: string): string {
  return `${runDir}/tunnel-${hostId}`;
}

/**
 * Every line begins with `restrict`: measured, a key without it runs commands and reads files on the hub. Listen
 * addresses must be written exactly as the client asks: `localhost` or `*` would not match.
 */
export function renderAuthorizedKeys(
  tunnels: TunnelKey[],
  pairings: PairingKey[],
  paths: KeyPaths,
  backups: BackupKey[] = [],
  jumps: JumpKey[] = [],
): string {
  const lines = tunnels.map((key) =>
    [
      "restrict,port-forwarding",
      `command="${optionText(`exec ${shellWord(paths.tunnelSession)} ${shellWord(tunnelPidFile(paths.runDir, key.host_id))}`)}"`,
      `permitlisten="127.0.0.1:${key.http_port}"`,
      `permitlisten="0.0.0.0:${key.ssh_port}"`,
      `permitopen="127.0.0.1:${paths.httpsPort}" ${key.public_key} host ${key.host_id}`,
    ].join(","),
  );
  for (const key of pairings) {
    lines.push(
      `restrict,expiry-time="${expiry(key.expires_at)}",command="${optionText(paths.pairCommand(key.token_id))}" ${key.public_key} pairing ${key.token_id}`,
    );
  }
  for (const key of backups) {
    const until = key.expires_at === undefined ? "" : `expiry-time="${expiry(key.expires_at)}",`;
    lines.push(
      `restrict,${until}command="${optionText(key.command)}" ${key.public_key} backup ${key.host_id}`,
    );
  }
  for (const key of jumps) {
    if (key.ports.length === 0) continue;
    lines.push(
      [
        "restrict,port-forwarding",
        `command="${optionText(`exec ${shellWord(paths.jumpSession)}`)}"`,
        // `port-forwarding` allows -R as well, and there is no word for “none”: a name that never resolves is.
        'permitlisten="no-listen.invalid:1"',
        `${key.ports.map((port) => `permitopen="127.0.0.1:${port}"`).join(",")} ${key.type} ${key.blob} jump`,
      ].join(","),
    );
  }
  return `${lines.join("\n")}\n`;
}
