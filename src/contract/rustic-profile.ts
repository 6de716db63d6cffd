/** What rustic and ssh read, as text. Pure: golden tests hold it. Secrets are in these files alone, never in an argument. */
import type { Repository, SshAccess } from "./backup-job.ts";

/** Name of the hub's sshd in our ssh configuration and in rustic's endpoint. */
export const ALIAS = "cocalc-backup";

export interface ProfilePlaces {
  log: string;
  cache: string;
  password: string;
}

const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/**
 * How often rustic tries an operation again. `off` for a backup over SFTP: a retried write goes to a dead handle, and a
 * full repository takes minutes instead of seconds to say so. `few`, about ten seconds of them, for one to S3, where a
 * write is one request and a provider asks for patience now and then. `many` for a restore, whose reads do recover.
 */
export type Retry = "off" | "few" | "many";

export function renderProfile(
  repository: Repository | { kind: "local"; path: string },
  places: ProfilePlaces,
  options: { retry: Retry },
): string {
  const lines = [
    "[global]",
    `log-file = ${quoted(places.log)}`,
    'log-level-logfile = "warn"',
    "[repository]",
    `repository = ${quoted(repository.kind === "local" ? repository.path : `opendal:${repository.kind}`)}`,
    `password-file = ${quoted(places.password)}`,
    `cache-dir = ${quoted(places.cache)}`,
  ];
  if (repository.kind === "local") return `${lines.join("\n")}\n`;
  if (repository.kind === "s3") lines.push(...s3Options(repository));
  else lines.push("[repository.options]", `endpoint = "ssh://${ALIAS}"`);
  lines.push('connections = "4"');
  if (options.retry !== "many") lines.push(`retry = "${options.retry === "off" ? "off" : "3"}"`);
  return `${lines.join("\n")}\n`;
}

/** Of a repository in a bucket, for a person with rustic alone: on the recovery sheet. */
export function renderWholeProfile(repository: Extract<Repository, { kind: "s3" }>): string {
  return [
    "[repository]",
    'repository = "opendal:s3"',
    `password = ${quoted(repository.password)}`,
    ...s3Options(repository),
    "",
  ].join("\n");
}

function s3Options(repository: Extract<Repository, { kind: "s3" }>): string[] {
  const keys = ["endpoint", "region", "bucket", "root", "access_key_id", "secret_access_key"] as const;
  return ["[repository.options]", ...keys.map((key) => `${key} = ${quoted(repository[key])}`)];
}

/**
 * A dead hub is noticed after a minute; the host key is pinned. Attempts are a second apart: the hub's sshd may be
 * starting for this very job.
 */
export function renderSshConfig(
  access: Omit<SshAccess, "private_key">,
  places: { key: string; knownHosts: string },
): string {
  return `Host ${ALIAS}
  HostName ${access.host}
  Port ${access.port}
  User ${access.user}
  IdentityFile "${places.key}"
  IdentitiesOnly yes
  HostKeyAlias ${ALIAS}
  UserKnownHostsFile "${places.knownHosts}"
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  BatchMode yes
  ServerAliveInterval 15
  ServerAliveCountMax 3
  ConnectTimeout 10
  ConnectionAttempts 6
`;
}

export const renderKnownHosts = (access: Pick<SshAccess, "host_key">): string =>
  `${ALIAS} ${access.host_key}\n`;
