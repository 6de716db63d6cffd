/**
 * One piece of work with a project's data and the repository, as hub, host, helper and the jailed process that does it
 * name it. Everything in it is a value; where things are, each side knows for itself.
 */
import { z } from "zod";
import { problemSchema } from "./problem.ts";

export const snapshotIdSchema = z.string().regex(/^[0-9a-f]{64}$/, "must be a snapshot id");
/** One line without control characters: it may be put in a configuration file between quotes. */
const word = z
  .string()
  .max(500)
  .refine((text) => !/[\p{Cc}"\\]/u.test(text), "must be one plain line");
const name = z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/);

/** How to come to the repository, as the hub tells a host; its password encrypts all that goes there. */
export const repositorySchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sftp"), password: word }),
  z.strictObject({
    kind: z.literal("s3"),
    password: word,
    endpoint: z.url().max(500).and(word),
    region: name,
    bucket: name,
    root: word,
    access_key_id: word,
    secret_access_key: word,
  }),
]);
export type Repository = z.infer<typeof repositorySchema>;

/** The hub's sshd as this host reaches it, and this host's key for its backups. */
export const sshAccessSchema = z.strictObject({
  host: name,
  port: z.number().int().min(1).max(65_535),
  user: z.string().regex(/^[a-z_][a-z0-9_.-]{0,31}$/i),
  host_key: z.string().regex(/^ssh-ed25519 [A-Za-z0-9+/=]{40,100}$/),
  private_key: z
    .string()
    .regex(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{100,2000}\n-----END OPENSSH PRIVATE KEY-----\n$/,
    ),
});
export type SshAccess = z.infer<typeof sshAccessSchema>;

/** An entry of a manifest: what a restore must bring back. Paths are raw bytes, in base64. */
export const manifestEntrySchema = z.object({
  path: z.string().max(8_192),
  type: z.string().max(1),
  mode: z.number().int(),
  uid: z.number().int(),
  gid: z.number().int(),
  size: z.number().int(),
  mtime_ns: z.string().max(30),
  sha256: z.string().max(64).optional(),
  link: z.string().max(8_192).optional(),
  rdev: z.number().int().optional(),
  xattrs: z.record(z.string().max(300), z.string().max(4_096)).optional(),
});
export type ManifestEntry = z.infer<typeof manifestEntrySchema>;

/** What was found in a tree: numbers of all, one hash over names and metadata of all, contents of a sample. */
export const manifestSchema = z.object({
  files: z.number().int(),
  dirs: z.number().int(),
  bytes: z.number().int(),
  digest: z.string().max(64),
  sample: z.array(manifestEntrySchema).max(400),
});
export type Manifest = z.infer<typeof manifestSchema>;

const relativePath = z
  .string()
  .min(1)
  .max(4_096)
  .refine((path) => !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0"), {
    message: "must be a path below the project",
  });

const folderName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/);

export const taskSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("backup"), parent: snapshotIdSchema.nullable() }),
  /** The whole project, beside the one that is there; `commit` then puts it in its place. */
  z.strictObject({
    kind: z.literal("restore"),
    snapshot: snapshotIdSchema,
    manifest: manifestSchema.nullable(),
  }),
  /** Files and folders into the project's home: over what is there, or into a new folder of this name. */
  z.strictObject({
    kind: z.literal("restore-paths"),
    snapshot: snapshotIdSchema,
    paths: z.array(relativePath).min(1).max(100),
    into: folderName.nullable(),
  }),
  /** Files and folders of another project on the same host into a new folder of this name; no repository is asked. */
  z.strictObject({
    kind: z.literal("copy-paths"),
    source_id: z.uuid(),
    paths: z.array(relativePath).min(1).max(100),
    into: folderName,
  }),
  /** Restored to nowhere, compared, thrown away. */
  z.strictObject({
    kind: z.literal("drill"),
    snapshot: snapshotIdSchema,
    manifest: manifestSchema.nullable(),
  }),
]);
export type Task = z.infer<typeof taskSchema>;

export const progressSchema = z.object({
  /** In words: “reading”, “walking”, “comparing”. */
  phase: z.string().max(100),
  files: z.number().optional(),
  bytes: z.number().optional(),
  percent: z.number().optional(),
});
export type Progress = z.infer<typeof progressSchema>;

/** What the job saw; whether it proves anything is decided from it, on the hub. */
export const jobResultSchema = z.object({
  snapshot_id: snapshotIdSchema.nullable(),
  /** As rustic counted. */
  files: z.number().int(),
  dirs: z.number().int(),
  added_bytes: z.number(),
  /** Warnings of rustic's log: each is something it left out. At most a hundred; `warnings_total` counts all. */
  warnings: z.array(z.string().max(1_000)).max(100),
  warnings_total: z.number().int(),
  /** Directories that a snapshot holds empty: nested subvolumes. */
  nested: z.array(z.string().max(4_096)).max(100),
  /** What still changed while it was read, in the last of several tries. */
  changed: z.array(z.string().max(4_096)).max(100),
  changed_total: z.number().int(),
  /** Of the walk: of the source for a backup, of what came back for a restore. */
  manifest: manifestSchema.nullable(),
  /** Restores: where what came back differs from what was backed up. */
  differences: z.array(z.string().max(1_000)).max(100),
  took_ms: z.number(),
});
export type JobResult = z.infer<typeof jobResultSchema>;

/** Milliseconds that an answer may wait for the job's end; it comes at once when that is seen. */
export const pollWaitSchema = z.number().int().min(0).max(5_000);

export const jobStateSchema = z.object({
  /** `unknown`: this host never heard of it, or has forgotten it. */
  state: z.enum(["running", "ended", "unknown"]),
  progress: progressSchema.nullable(),
  result: jobResultSchema.nullable(),
  problem: problemSchema.nullable(),
});
export type JobState = z.infer<typeof jobStateSchema>;
