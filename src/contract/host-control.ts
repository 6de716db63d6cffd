/**
 * The control link: one WebSocket per host to the hub's /conat. The hub requests `host.<host_id>.<verb>`; the
 * host requests `hub.<host_id>.<verb>`. Every verb is idempotent: commands are redelivered after a lost link.
 */
import { z } from "zod";
import { hostReportSchema, limitsSchema, projectStateSchema } from "./api.ts";
import { backupVerbs } from "./host-verbs/backups.ts";
import { commandHostVerbs, commandHubVerbs } from "./host-verbs/commands.ts";
import { machineHostVerbs } from "./host-verbs/machine.ts";
import { snapshotHostVerbs } from "./host-verbs/snapshots.ts";
import { sshHostVerbs, sshHubVerbs } from "./host-verbs/ssh.ts";
import { vmHostVerbs } from "./host-verbs/vms.ts";
import { problemSchema } from "./problem.ts";
import { idleMinutesSchema, projectUsageSchema } from "./usage.ts";

const project_id = z.uuid();

/** All a host needs to run a project; kept on its disk. */
export const projectSpecSchema = z.object({
  project_id,
  name: z.string(),
  image: z.string(),
  limits: limitsSchema,
  /** Whether the project may reach private addresses. */
  lan: z.enum(["blocked", "open"]),
  /** Stopped after so many minutes in which nothing went on; 0 or none: never. */
  idle_minutes: idleMinutesSchema.optional(),
  /** Grows with each change made on the hub; an older one is ignored. */
  generation: z.number().int(),
});
export type ProjectSpec = z.infer<typeof projectSpecSchema>;

/** What the host tells of a project, published on each change and once for each after the link came up. */
export const projectStatusSchema = z.object({
  project_id,
  state: projectStateSchema,
  state_since: z.iso.datetime(),
  phase: z.string().nullable(),
  queue_place: z.number().int().nullable(),
  problem: problemSchema.nullable(),
  /** Milliseconds per phase of the last start. */
  timings: z.record(z.string(), z.number()),
  /** Of the spec that the host has: an older one than the hub's missed a change. */
  generation: z.number().int().optional(),
  /** The version of its image that it began with; null before its first start. */
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .optional(),
});
export type ProjectStatus = z.infer<typeof projectStatusSchema>;

/** hub → host: `host.<host_id>.<verb>` */
export const hostVerbs = {
  ...backupVerbs,
  "project.create": { request: z.object({ spec: projectSpecSchema }), reply: projectStatusSchema },
  "project.start": { request: z.object({ spec: projectSpecSchema }), reply: projectStatusSchema },
  "project.stop": { request: z.object({ project_id }), reply: projectStatusSchema },
  "project.remove": { request: z.object({ project_id }), reply: z.object({ removed: z.boolean() }) },
  "project.status": { request: z.object({}), reply: z.object({ projects: z.array(projectStatusSchema) }) },
  "project.usage": { request: z.object({ project_id }), reply: projectUsageSchema },
  "project.logs": { request: z.object({ project_id }), reply: z.object({ lines: z.array(z.string()) }) },
  /** Makes sure an image is there; `digest` names the hub's artifact /images/<digest>.tar.zst. */
  "image.ensure": {
    request: z.object({ image: z.string(), digest: z.string() }),
    reply: z.object({ present: z.boolean() }),
  },
  /** The hub's sshd has a new key, and an admin said that this is right. */
  "hub-key.trust": {
    request: z.object({ ssh_host_key: z.string().max(400).startsWith("ssh-ed25519 ") }),
    reply: z.object({}),
  },
  ...machineHostVerbs,
  ...commandHostVerbs,
  ...snapshotHostVerbs,
  ...vmHostVerbs,
  report: { request: z.object({}), reply: hostReportSchema },
  /** Doctor: create, exec in and remove a throw-away container. */
  "runtime.check": {
    request: z.object({}),
    reply: z.object({ ok: z.boolean(), took_ms: z.number(), problem: problemSchema.nullable() }),
  },
  ...sshHostVerbs,
} as const;
export type HostVerb = keyof typeof hostVerbs;

const fingerprint = z.string().max(100).startsWith("SHA256:");
/** The key that the hub's sshd should have, and the one that a machine met. */
export const metHubKeySchema = z.object({
  known: fingerprint,
  shown: fingerprint.nullable(),
  address: z.string().max(253),
});
export type MetHubKey = z.infer<typeof metHubKeySchema>;

/** host → hub: `hub.<host_id>.<verb>` (report and project-status are published, not requested). */
export const hubVerbs = {
  report: hostReportSchema,
  "project-status": projectStatusSchema,
  /** A step of the join checklist, or a tunnel problem, as the host sees it. */
  step: z.object({
    name: z.enum(["token-accepted", "key-registered", "tunnel-up", "echo", "storage-ready"]),
    state: z.enum(["running", "done", "failed"]),
    detail: z.string().max(500).optional(),
    problem: problemSchema.optional(),
    hub_key: metHubKeySchema.optional(),
  }),
  ...sshHubVerbs,
  ...commandHubVerbs,
} as const;

/** Reply to a host's first request `hub.<host_id>.hello`. */
export const helloReplySchema = z.object({
  time: z.iso.datetime(),
  version: z.string(),
  images: z.array(z.object({ image: z.string(), digest: z.string(), bytes: z.number() })),
  lan: z.enum(["blocked", "open"]),
});
export type HelloReply = z.infer<typeof helloReplySchema>;

/** Answer of `GET /echo?nonce=…` on the host's HTTP port; also in the pairing checklist. */
export const echoReplySchema = z.object({ assertion: z.string() });
