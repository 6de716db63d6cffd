/**
 * What the helper, the only process of ours that is root, can be asked: ids, numbers and names, never a path, a flag
 * or an argument vector. The list is closed, objects are strict: a field too many is refused as a missing one is.
 */
import { z } from "zod";
import { isUuid } from "../../core/ids.ts";
import { backupHelperVerbs } from "./verbs/backups.ts";
import { machineHelperVerbs } from "./verbs/machine.ts";
import { diskBytes, storageVerbs } from "./verbs/storage.ts";
import { vmHelperVerbs } from "./verbs/vms.ts";

const project_id = z.string().refine(isUuid, "must be a lower-case UUID");
const digest = z.string().regex(/^[0-9a-f]{64}$/, "must be a sha256 in hex");
const token = z.string().regex(/^[A-Za-z0-9_-]{16,128}$/, "must be a token of 16 to 128 characters");

export const startSchema = z.strictObject({
  project_id,
  digest,
  token,
  memory_bytes: z
    .number()
    .int()
    .min(67_108_864)
    .max(2 ** 45),
  cpus: z.number().min(0.1).max(1024),
  pids: z.number().int().min(16).max(100_000),
  /** In force before the first process runs; null or absent: no limit. */
  disk_bytes: diskBytes.nullable().optional(),
  lan: z.enum(["blocked", "open"]),
});
export type StartParams = z.infer<typeof startSchema>;

export const startedSchema = z.object({
  /** Of the container's first process, in the host's numbering. */
  pid: z.number().int(),
  /** Directory of the agent's socket, readable by the host's user. */
  agent_dir: z.string(),
  /** True when it ran already and was left alone. */
  adopted: z.boolean(),
  timings: z.record(z.string(), z.number()),
});
export type Started = z.infer<typeof startedSchema>;

export const runningSchema = z.object({
  project_id,
  pid: z.number().int(),
  agent_dir: z.string(),
});

const project = z.strictObject({ project_id });
const nothing = z.strictObject({});

export const helperVerbs = {
  ...backupHelperVerbs,
  hello: {
    request: nothing,
    reply: z.object({
      pid: z.number(),
      /** Rootless: no root was given; projects share one range of ids and have no cgroup limits. Process: no container at all. */
      kind: z.enum(["root", "rootless", "process"]),
      runtime: z.string(),
      cgroup: z.string(),
      problem: z.unknown(),
    }),
  },
  "project.prepare": {
    request: z.strictObject({ project_id, digest }),
    reply: z.object({ uid: z.number().int() }),
  },
  "project.start": { request: startSchema, reply: startedSchema },
  /** SIGTERM, five seconds, SIGKILL; then mounts, network and runtime directory are gone. */
  "project.stop": { request: project, reply: z.object({ stopped: z.boolean() }) },
  "project.kill": { request: project, reply: z.object({ stopped: z.boolean() }) },
  /** Stops it and deletes home, changes and log. */
  "project.remove": { request: project, reply: z.object({ removed: z.boolean() }) },
  "project.list": { request: nothing, reply: z.object({ running: z.array(runningSchema) }) },
  /** All that have files here, whoever wrote them, with the image below their changes. */
  "project.known": {
    request: nothing,
    reply: z.object({ projects: z.array(z.object({ project_id, digest })) }),
  },
  "project.logs": { request: project, reply: z.object({ lines: z.array(z.string()) }) },
  /** Takes `images/<digest>.tar.zst` of the host's directory, checks its sha256, unpacks it once. */
  "image.unpack": { request: z.strictObject({ digest }), reply: z.object({ present: z.boolean() }) },
  "image.remove": { request: z.strictObject({ digest }), reply: z.object({ removed: z.boolean() }) },
  /**
   * The machine's own programs as an image: its digest is their fingerprint. `make` readies it for a start; without it
   * nothing is touched, and `problem` says why this machine has none.
   */
  "image.system": {
    request: z.strictObject({ make: z.boolean() }),
    reply: z.object({ digest: digest.nullable(), problem: z.unknown() }),
  },
  "image.list": { request: nothing, reply: z.object({ digests: z.array(digest) }) },
  /** Removes networks, mounts and containers that no running project has. */
  cleanup: { request: nothing, reply: z.object({ removed: z.array(z.string()) }) },
  "runtime.check": {
    request: z.strictObject({ digest }),
    reply: z.object({ ok: z.boolean(), took_ms: z.number() }),
  },
  ...machineHelperVerbs,
  ...storageVerbs,
  ...vmHelperVerbs,
} as const;
export type HelperVerb = keyof typeof helperVerbs;
export type HelperRequest<V extends HelperVerb> = z.input<(typeof helperVerbs)[V]["request"]>;
export type HelperReply<V extends HelperVerb> = z.output<(typeof helperVerbs)[V]["reply"]>;

/** One request a line, one answer a line; a longer line ends the connection. A backup's manifest is the longest. */
export const MAX_LINE_BYTES = 512 * 1024;
