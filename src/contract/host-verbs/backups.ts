/** Backups and restores: jobs that a host does for its hub. Each is begun once per id, asked about, ended. */
import { z } from "zod";
import { jobStateSchema, pollWaitSchema, repositorySchema, taskSchema } from "../backup-job.ts";

const job_id = z.uuid();
const project_id = z.uuid();
const nothing = z.object({});

export const backupVerbs = {
  /** Public halves of this host's keys, one that adds and one that reads, made at the first call. */
  "backup.key": {
    request: nothing,
    reply: z.object({ public_key: z.string().max(500), read_key: z.string().max(500) }),
  },
  /** `image` and `digest`: what the project's root file system is made from, for a restore on a host that never had it. */
  "backup.start": {
    request: z.object({
      job_id,
      project_id,
      /** Null: the task needs none. */
      repository: repositorySchema.nullable(),
      task: taskSchema,
      image: z.string().max(200),
      digest: z.string().max(64).nullable(),
    }),
    reply: nothing,
  },
  "backup.poll": { request: z.object({ job_id, wait_ms: pollWaitSchema.optional() }), reply: jobStateSchema },
  /** Ends it if it runs, and forgets it. */
  "backup.end": { request: z.object({ job_id }), reply: nothing },
  /** Puts what a restore brought in the place of the project, which is stopped; what was there is kept beside it. */
  "backup.commit": { request: z.object({ job_id, project_id }), reply: nothing },
  /** What the project's root file system is made from; null where this host has none of it. */
  "backup.source": {
    request: z.object({ project_id }),
    reply: z.object({ digest: z.string().nullable() }),
  },
  /** Writes one small file through the whole way to the repository; the hub looks for it on its own disk. */
  "backup.probe": {
    request: z.object({ name: z.string().regex(/^probe-[0-9a-f]{32}$/), content: z.string().max(200) }),
    reply: z.object({ took_ms: z.number() }),
  },
} as const;
