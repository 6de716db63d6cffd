/**
 * The tables, by hand: one source for both engines (SQLite now, PostgreSQL for Rocket). Times are ISO 8601 text,
 * JSON is text, booleans are 0 or 1. `user`, `session`, `account`, `verification` and `apikey` are better-auth's.
 */
import type { Generated } from "kysely";

export interface UserTable {
  id: string;
  name: string;
  email: string;
  emailVerified: number;
  image: string | null;
  createdAt: string;
  updatedAt: string;
  role: string;
  suspended: number;
}

export interface AccountTable {
  id: string;
  accountId: string;
  providerId: string;
  userId: string;
  password: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface SessionTable {
  id: string;
  userId: string;
  token: string;
  expiresAt: string;
  createdAt: string;
  updatedAt: string;
}

export interface ApiKeyTable {
  id: string;
  name: string | null;
  start: string | null;
  referenceId: string;
  enabled: number | null;
  lastRequest: string | null;
  createdAt: string;
}

export interface InvitationTable {
  /** SHA-256 of the secret in the link. */
  token_hash: string;
  role: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  used_at: string | null;
}

export interface HostTable {
  host_id: string;
  name: string;
  /** `hostTypeSchema` as JSON. */
  type: string;
  state: string;
  desired_state: string;
  state_since: string;
  problem: string | null;
  http_port: number;
  ssh_port: number;
  /** `ssh-ed25519 AAAA…`: its one identity. */
  public_key: string;
  key_revoked: number;
  /** What another machine showed in its place; accepted or refused by an admin. */
  offered_key: string | null;
  offered_at: string | null;
  offered_from: string | null;
  checklist: string;
  report: string | null;
  report_at: string | null;
  created_at: string;
  /** No project is started on it. */
  draining: number;
  /** What became of it and of its projects, once it is gone; JSON. */
  tombstone: string | null;
}

/** A machine that the hub signs in to. */
export interface MachineTable {
  machine_id: string;
  /** `user@host:port`. */
  target: string;
  /** As an admin compared it: type and base64. */
  host_key: string;
  /** It has no way to the hub: the hub holds one open. */
  held: number;
  host_id: string | null;
  /** The last attempt to join it. */
  operation_id: string | null;
  created_at: string;
}

export interface JoinTokenTable {
  token_id: string;
  kind: string;
  /** Public half of the key that both sides derive from the token's secret. */
  public_key: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  /** The first host key that came with it: single use means bound to this one. */
  bound_key: string | null;
  used_by_host_id: string | null;
  used_at: string | null;
  revoked: number;
}

export interface ProjectTable {
  project_id: string;
  name: string;
  description: string;
  host_id: string | null;
  image: string;
  state: string;
  state_since: string;
  desired_state: string;
  phase: string | null;
  queue_place: number | null;
  problem: string | null;
  limits: string;
  generation: number;
  created_at: string;
  last_used_at: string | null;
  /** What viewers see, as JSON: api-people.ts's Shares. */
  viewer_shares: Generated<string>;
  /** null: as the hub's setting says. */
  idle_minutes: number | null;
  /** Of the version of its image that it began with, as its host tells. */
  image_digest: Generated<string | null>;
}

export interface MemberTable {
  project_id: string;
  account_id: string;
  role: string;
}

export interface ProjectInvitationTable {
  /** SHA-256 of the secret in the link; `invitations` has the same one where the link may make an account too. */
  token_hash: string;
  invitation_id: string;
  project_id: string;
  role: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  used_at: string | null;
}

export interface OperationTable {
  operation_id: string;
  kind: string;
  state: string;
  subject_kind: string;
  subject_id: string;
  subject_name: string;
  steps: string;
  attempt: number;
  problem: string | null;
  requested_by: string | null;
  created_at: string;
  finished_at: string | null;
  /** What it was asked to do, as JSON; its handler knows the shape. */
  input: string | null;
}

export interface LeaseTable {
  name: string;
  /** A process and a nonce, as JSON. */
  owner: string;
  until: string;
}

/** Made by history.ts, beside Kysely's own table of what ran. */
export interface MigrationChecksumTable {
  name: string;
  checksum: string;
}

export interface SettingTable {
  key: string;
  value: string;
}

export interface AuditTable {
  id: Generated<number>;
  at: string;
  actor: string;
  action: string;
  subject: string;
  detail: string;
}

export interface AppLeaseTable {
  /** An account's id, or `visitor:<id>` of whoever came by a link. */
  holder: string;
  shard: number;
  project_id: string;
  lease_id: string;
  leased_at: string;
  used_at: string;
}

export interface AppSharedTable {
  account_id: string;
  project_id: string;
  accepted_at: string;
}

export interface AppLinkTable {
  link_id: string;
  /** SHA-256 of the secret in the link. */
  token_hash: string;
  project_id: string;
  /** `/proxy/<port>`, `/port/<port>` or `/apps/<app>`. */
  path: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
  last_used_at: string | null;
  visits: number;
}

export interface BackupRepositoryTable {
  /** `shared`, or the id of the host it is for. */
  repository_id: string;
  kind: string;
  /** A directory of the hub, or `s3://bucket/root`. */
  location: string;
  /** Sealed. */
  password: string;
  /** Sealed: `backupTargetSchema` as JSON. */
  target: string;
  created_at: string;
  swept_at: string | null;
  read_back_at: string | null;
  /** Which seventh was read back last, 1–7. */
  read_back_part: number;
  read_back_problem: string | null;
  pruned_at: string | null;
  /** When data that was good was found damaged: no older backup is relied upon for what need not be read again. */
  damaged_at: string | null;
  /** 1: its index is to be made anew. */
  repair: number;
}

export interface BackupKeyTable {
  host_id: string;
  public_key: string;
  read_key: string;
  /** The repository that `read_key` may read just now. */
  read_repository: string | null;
}

export interface BackupTable {
  backup_id: string;
  project_id: string;
  project_name: string;
  host_id: string;
  repository_id: string;
  snapshot_id: string | null;
  state: string;
  reason: string;
  started_at: string;
  finished_at: string | null;
  files: number;
  dirs: number;
  bytes: number;
  added_bytes: number;
  took_ms: number;
  left_out: string;
  left_out_total: number;
  problem: string | null;
  manifest: string | null;
  image: string;
  digest: string | null;
  forgotten_at: string | null;
}

export interface BackupDrillTable {
  drill_id: string;
  backup_id: string;
  project_id: string;
  project_name: string;
  host_id: string;
  state: string;
  started_at: string;
  finished_at: string | null;
  files: number;
  problem: string | null;
}

export interface BackupFileTable {
  repository_id: string;
  name: string;
  seen_at: string;
  problem: string | null;
}

/** Of an account or of a project: one of the two ids is set. */
export interface SshKeyTable {
  key_id: string;
  account_id: string | null;
  project_id: string | null;
  type: string;
  blob: string;
  bits: number;
  fingerprint: string;
  name: string;
  created_at: string;
  created_by: string;
  last_used_at: string | null;
  last_used_from: string | null;
}

export interface SshGatewayTable {
  host_id: string;
  host_key: string;
  listening: number;
  told_at: string;
}

export interface ProjectLeftoverTable {
  project_id: string;
  host_id: string;
  /** 1: its files stay; it is only stopped. */
  keep: number;
  since: string;
}

export interface HostCommandTable {
  command_id: string;
  host_id: string;
  kind: string;
  version: string | null;
  state: string;
  detail: string | null;
  from_version: string | null;
  to_version: string | null;
  /** How often it was sent. */
  attempts: number;
  /** Not sent again before. */
  lease_until: string | null;
  problem: string | null;
  created_at: string;
  created_by: string;
  finished_at: string | null;
  /** 1: asked for without backing up first. */
  without_backups: number;
  /** What backs its projects up before it is sent. */
  backup_operation: string | null;
  /** JSON of CommandVm, with the id of the join token that it was sent with. */
  vm: string | null;
}

export interface Tables {
  user: UserTable;
  account: AccountTable;
  session: SessionTable;
  apikey: ApiKeyTable;
  invitations: InvitationTable;
  hosts: HostTable;
  join_tokens: JoinTokenTable;
  machines: MachineTable;
  projects: ProjectTable;
  members: MemberTable;
  project_invitations: ProjectInvitationTable;
  operations: OperationTable;
  leases: LeaseTable;
  migration_checksums: MigrationChecksumTable;
  settings: SettingTable;
  audit: AuditTable;
  app_leases: AppLeaseTable;
  app_shared: AppSharedTable;
  app_links: AppLinkTable;
  backup_repositories: BackupRepositoryTable;
  backup_keys: BackupKeyTable;
  backups: BackupTable;
  backup_drills: BackupDrillTable;
  backup_files: BackupFileTable;
  ssh_keys: SshKeyTable;
  ssh_gateways: SshGatewayTable;
  project_leftovers: ProjectLeftoverTable;
  host_commands: HostCommandTable;
}
