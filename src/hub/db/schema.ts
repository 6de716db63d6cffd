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
  checklist: string;
  report: string | null;
  report_at: string | null;
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
}

export interface MemberTable {
  project_id: string;
  account_id: string;
  role: string;
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

export interface Tables {
  user: UserTable;
  account: AccountTable;
  session: SessionTable;
  apikey: ApiKeyTable;
  invitations: InvitationTable;
  hosts: HostTable;
  join_tokens: JoinTokenTable;
  projects: ProjectTable;
  members: MemberTable;
  operations: OperationTable;
  settings: SettingTable;
  audit: AuditTable;
}
