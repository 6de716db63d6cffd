/**
 * What the hub's API says, as the UI, the CLI and scripts see it. All times are ISO 8601 in UTC; sizes are bytes;
 * durations are milliseconds unless the name says otherwise. Lists come whole: a hub has hundreds of projects, not millions.
 *
 * Routes (all under /api, JSON, problem+json on failure):
 *   GET  /setup                      SetupStatus; open to anyone
 *   POST /setup                      {token, name, email, password} → Account and a session cookie
 *   POST /auth/sign-in/email …       better-auth's own routes under /auth
 *   GET  /me                         Me                                   PATCH /me {name}
 *   GET/POST /me/api-keys, DELETE /me/api-keys/:id
 *   GET  /projects                   Project[]                            POST {name, description?, host_id?, image?} → Project
 *   GET/PATCH/DELETE /projects/:id   PATCH {name?, description?, limits?}; DELETE → Operation
 *   POST /projects/:id/start|stop|restart → Operation
 *   GET  /projects/:id/usage         {usage}: what it uses now, what keeps it awake
 *   GET  /projects/:id/logs          {lines: string[]}
 *   GET  /hosts                      Host[] (admin)                       GET /hosts/:id
 *   PATCH /hosts/:id                 {name?}
 *   POST /hosts/:id/revoke           ends its key and live session; POST /hosts/:id/accept-key {fingerprint}: of the host, or of the hub as the host meets it
 *   POST /hosts/:id/grant            → {grant, expires_at}: rights for the browser's socket to that host
 *   GET/POST /join-tokens            JoinToken[] ; → JoinTokenCreated     DELETE /join-tokens/:id
 *   GET/POST /users, PATCH /users/:id {role?, suspended?}, POST /invitations → {url}, POST /invitations/accept
 *   GET/PUT /settings                Setting[] ; {key: value, …}
 *   GET  /operations, /operations/:id, POST /operations/:id/cancel
 *   GET  /doctor                     DoctorReport (last)                  POST /doctor → runs all checks
 *   GET  /audit                      AuditEntry[]
 *   GET  /openapi.json
 */
import { z } from "zod";
import { problemSchema } from "./problem.ts";
import { poolFactsSchema, poolHealthSchema } from "./storage.ts";
import { idleMinutesSchema } from "./usage.ts";

const id = z.uuid();
const time = z.iso.datetime();

/** A name a person gave: 1–100 characters, no control characters. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, "give it a name")
  .max(100, "at most 100 characters")
  .refine((s) => !/\p{Cc}/u.test(s), "control characters are not allowed");

export const PROJECT_STATES = [
  "stopped",
  "queued",
  "starting",
  "running",
  "stopping",
  "archived",
  "moving",
  "failed",
  "deleting",
  /** Its host has not been heard of: what ran there may still be running. */
  "away",
] as const;
export const projectStateSchema = z.enum(PROJECT_STATES);
export type ProjectState = z.infer<typeof projectStateSchema>;

export const ROLES = ["owner", "collaborator", "viewer"] as const;
export const roleSchema = z.enum(ROLES);
export type Role = z.infer<typeof roleSchema>;

export const diskLimitSchema = z
  .number()
  .int()
  .min(67_108_864, "at least 64 MiB")
  .max(2 ** 50);
export const limitsSchema = z.object({
  memory_bytes: z
    .number()
    .int()
    .min(67_108_864, "at least 64 MiB")
    .max(2 ** 45),
  cpus: z.number().min(0.1, "at least 0.1 CPU").max(1024),
  pids: z.number().int().min(16, "at least 16").max(100_000),
  /** Live files, what was installed, and what only snapshots still hold; null or absent: no limit. */
  disk_bytes: diskLimitSchema.nullable().optional(),
});
export type Limits = z.infer<typeof limitsSchema>;
export const DEFAULT_LIMITS: Limits = { memory_bytes: 2 * 2 ** 30, cpus: 2, pids: 1000 };

/** One step of what takes time; shown live as a checklist. */
export const stepSchema = z.object({
  name: z.string(),
  label: z.string(),
  state: z.enum(["pending", "running", "done", "failed", "skipped"]),
  detail: z.string().optional(),
  started_at: time.optional(),
  finished_at: time.optional(),
  problem: problemSchema.optional(),
});
export type Step = z.infer<typeof stepSchema>;

export const projectSchema = z.object({
  project_id: id,
  name: z.string(),
  description: z.string(),
  /** null while it has not been placed. */
  host_id: id.nullable(),
  host_name: z.string().nullable(),
  /** false: its host has no containers, so its other projects can read this one's files. */
  isolated: z.boolean(),
  image: z.string(),
  state: projectStateSchema,
  state_since: time,
  /** While starting or stopping: which phase, in words; while queued: the place in line, from 1. */
  phase: z.string().nullable(),
  queue_place: z.number().int().nullable(),
  problem: problemSchema.nullable(),
  limits: limitsSchema,
  /** Stopped after so many idle minutes; 0: never; null: as the hub's setting says. */
  idle_minutes: z.number().int().nullable(),
  role: roleSchema,
  owner: z.object({ account_id: z.string(), name: z.string() }),
  created_at: time,
  last_used_at: time.nullable(),
});
export type Project = z.infer<typeof projectSchema>;

export const createProjectSchema = z.object({
  name: nameSchema,
  description: z.string().trim().max(1000).optional(),
  host_id: id.optional(),
  image: z.string().max(200).optional(),
  limits: limitsSchema.partial().optional(),
});
export const updateProjectSchema = z.object({
  name: nameSchema.optional(),
  description: z.string().trim().max(1000).optional(),
  limits: limitsSchema.partial().optional(),
  idle_minutes: idleMinutesSchema.nullable().optional(),
});

export const HOST_STATES = [
  "offline",
  "pairing",
  "bootstrapping",
  "ready",
  "degraded",
  "deprovisioning",
  "gone",
] as const;
export const hostStateSchema = z.enum(HOST_STATES);
export type HostState = z.infer<typeof hostStateSchema>;

/**
 * How a host is reached; what it needs follows from its own type. Cloudflare and cloud providers join this union
 * when they are built.
 */
export const hostTypeSchema = z.discriminatedUnion("kind", [
  /** The hub's own machine: no tunnel. */
  z.object({ kind: z.literal("local") }),
  /** Another machine behind an OpenSSH reverse tunnel. */
  z.object({ kind: z.literal("self-host"), self_host_mode: z.literal("local") }),
]);
export type HostType = z.infer<typeof hostTypeSchema>;

/** What a machine told of itself when it joined and tells again with each report. */
export const machineFactsSchema = z.object({
  hostname: z.string().max(253),
  os: z.string().max(200),
  kernel: z.string().max(200),
  arch: z.enum(["x64", "arm64"]),
  cpus: z.number().int().positive(),
  memory_bytes: z.number().int().positive(),
});
export type MachineFacts = z.infer<typeof machineFactsSchema>;

export const hostReportSchema = z.object({
  version: z.string().max(100),
  commit: z.string().max(100),
  /** The host's clock. */
  time,
  uptime_ms: z.number(),
  facts: machineFactsSchema,
  load: z.object({ cpu_percent: z.number(), load1: z.number() }),
  memory: z.object({ total_bytes: z.number(), available_bytes: z.number() }),
  storage: z.object({
    kind: z.enum(["directory", "btrfs"]),
    total_bytes: z.number(),
    free_bytes: z.number(),
    quotas: z.boolean(),
    /** The rest of it; null from a host of an older version, or one without a helper. */
    pool: poolFactsSchema.nullable().default(null),
    health: poolHealthSchema.nullable().default(null),
    /** Why its pool cannot be used: not mounted, another file system in its place. Then the sizes are of its directory. */
    problem: problemSchema.nullable().default(null),
  }),
  runtime: z.object({
    kind: z.enum(["podman", "podman-rootless", "process", "none"]),
    helper: z.boolean(),
    cgroup: z.string(),
    problem: problemSchema.nullable(),
  }),
  /** Its own programs as the image `system`: their fingerprint, or why it offers none. Absent from an older host. */
  system_image: z
    .object({ digest: z.string().max(64).nullable(), problem: problemSchema.nullable() })
    .nullable()
    .optional(),
  projects: z.object({ running: z.number().int(), queued: z.number().int(), total: z.number().int() }),
});
export type HostReport = z.infer<typeof hostReportSchema>;

/**
 * A key that is not the one that was agreed on when the machine joined. Nothing goes on until an admin accepts it:
 * `POST /hosts/:id/accept-key` with `shown`.
 */
export const changedKeySchema = z.object({
  /** Whose: `host`, what claims to be that machine has another key; `hub`, the machine meets another sshd key than it knows. */
  side: z.enum(["host", "hub"]),
  /** Fingerprints, `SHA256:…`; `shown` is null where the key could not be read. */
  known: z.string(),
  shown: z.string().nullable(),
  /** False where the machine met a key that is not this hub's: somebody is in between. */
  acceptable: z.boolean(),
  at: time,
  /** The address that showed it. */
  from: z.string().nullable(),
});
export type ChangedKey = z.infer<typeof changedKeySchema>;

export const hostSchema = z.object({
  host_id: id,
  name: z.string(),
  type: hostTypeSchema,
  state: hostStateSchema,
  desired_state: z.enum(["ready", "gone"]),
  state_since: time,
  problem: problemSchema.nullable(),
  /** Join checklist: token accepted → key registered → tunnel up → echo round trip → storage ready. */
  checklist: z.array(stepSchema),
  /** No project is started on it. */
  draining: z.boolean(),
  ssh_port: z.number().int(),
  http_port: z.number().int(),
  key_fingerprint: z.string(),
  changed_key: changedKeySchema.nullable(),
  tunnel: z.object({
    /** `none` on the hub's own machine. `up` only while a signed echo goes end to end. */
    state: z.enum(["none", "up", "down", "never"]),
    rtt_ms: z.number().nullable(),
    /** Last hour, one value a minute, null where no echo came back. */
    history_ms: z.array(z.number().nullable()),
    since: time.nullable(),
    last_echo_at: time.nullable(),
  }),
  report: hostReportSchema.nullable(),
  report_at: time.nullable(),
  created_at: time,
});
export type Host = z.infer<typeof hostSchema>;

export const joinTokenSchema = z.object({
  token_id: id,
  created_at: time,
  expires_at: time,
  /** Bound to the first host key that came with it. */
  used_by_host_id: id.nullable(),
  used_at: time.nullable(),
  revoked: z.boolean(),
});
export type JoinToken = z.infer<typeof joinTokenSchema>;
/** `line` is what a person pastes; `token` and `script_url` are its parts, for scripts. */
export const joinTokenCreatedSchema = joinTokenSchema.extend({
  token: z.string(),
  script_url: z.string(),
  pinned_pubkey: z.string(),
  line: z.string(),
});
export type JoinTokenCreated = z.infer<typeof joinTokenCreatedSchema>;

export const accountSchema = z.object({
  account_id: z.string(),
  name: z.string(),
  email: z.string(),
  role: z.enum(["admin", "user"]),
  suspended: z.boolean(),
  created_at: time,
});
export type Account = z.infer<typeof accountSchema>;

export const meSchema = accountSchema.extend({
  hub: z.object({
    name: z.string(),
    product: z.enum(["plus", "launchpad", "rocket"]),
    version: z.string(),
    /** Where project pages are: same host name, this port, or `<project_id>.localhost` on the loopback door. */
    apps_port: z.number().int(),
    ssh_port: z.number().int(),
  }),
});
export type Me = z.infer<typeof meSchema>;

export const apiKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  /** Its first characters, to tell keys apart. */
  start: z.string(),
  created_at: time,
  last_used_at: time.nullable(),
});
export type ApiKey = z.infer<typeof apiKeySchema>;
/** The key itself is shown this once. */
export const apiKeyCreatedSchema = z.object({ id: z.string(), name: z.string(), key: z.string() });

export const setupStatusSchema = z.object({
  needed: z.boolean(),
  /** After setup: who made the admin account, for whoever opens a used link. */
  made_by: z.string().nullable(),
  hub_name: z.string(),
  product: z.enum(["plus", "launchpad", "rocket"]),
  version: z.string(),
});
export type SetupStatus = z.infer<typeof setupStatusSchema>;

export const passwordSchema = z.string().min(10, "at least 10 characters").max(200, "at most 200 characters");
export const setupSchema = z.object({
  token: z.string().min(1),
  name: nameSchema,
  email: z.email("not an e-mail address"),
  password: passwordSchema,
});

export const operationSchema = z.object({
  operation_id: id,
  kind: z.string(),
  state: z.enum(["pending", "running", "done", "failed", "cancelled"]),
  subject: z.object({ kind: z.enum(["project", "host", "hub"]), id: z.string(), name: z.string() }),
  steps: z.array(stepSchema),
  attempt: z.number().int(),
  problem: problemSchema.nullable(),
  created_at: time,
  finished_at: time.nullable(),
  requested_by: z.string().nullable(),
});
export type Operation = z.infer<typeof operationSchema>;

export const settingSchema = z.object({
  key: z.string(),
  value: z.union([z.string(), z.number(), z.boolean(), z.null()]),
  default: z.union([z.string(), z.number(), z.boolean(), z.null()]),
  source: z.enum(["default", "environment", "database", "flag"]),
  description: z.string(),
  /** What it may be, where that is a few words. */
  choices: z.array(z.string()).nullable(),
  editable: z.boolean(),
});
export type Setting = z.infer<typeof settingSchema>;

export const checkSchema = z.object({
  /** `sshd.running`, `host.tunnel` … */
  code: z.string(),
  group: z.string(),
  name: z.string(),
  status: z.enum(["ok", "warn", "fail", "unknown", "skipped"]),
  /** What was measured, in words: “4.2 ms”, “41 GiB free”. */
  value: z.string().nullable(),
  problem: problemSchema.nullable(),
  host_id: id.optional(),
  checked_at: time,
  took_ms: z.number(),
});
export type Check = z.infer<typeof checkSchema>;
export const doctorReportSchema = z.object({
  healthy: z.boolean(),
  ran_at: time,
  counts: z.object({
    ok: z.number(),
    warn: z.number(),
    fail: z.number(),
    unknown: z.number(),
    skipped: z.number(),
  }),
  checks: z.array(checkSchema),
});
export type DoctorReport = z.infer<typeof doctorReportSchema>;

export const auditEntrySchema = z.object({
  id: z.number().int(),
  at: time,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** Published to a browser's hub socket when something it may see changed; it then asks again. */
export const changedSchema = z.object({
  kind: z.enum(["project", "host", "operation", "token", "settings", "doctor", "user"]),
  id: z.string(),
});
export type Changed = z.infer<typeof changedSchema>;
