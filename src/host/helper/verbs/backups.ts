/** Backups as root sees them: a project by its id, orders for the jailed job as checked values, its state when asked. */
import { z } from "zod";
import {
  jobStateSchema,
  pollWaitSchema,
  repositorySchema,
  sshAccessSchema,
  taskSchema,
} from "../../../contract/backup-job.ts";
import { isUuid } from "../../../core/ids.ts";

const uuid = z.string().refine(isUuid, "must be a lower-case UUID");
const job = z.strictObject({ job_id: uuid });

export const backupHelperVerbs = {
  /** Once per id; a second time it is the same job. */
  "backup.start": {
    request: z.strictObject({
      job_id: uuid,
      project_id: uuid,
      task: taskSchema,
      repository: repositorySchema.nullable(),
      ssh: sshAccessSchema.nullable(),
    }),
    reply: z.object({}),
  },
  "backup.poll": { request: job.extend({ wait_ms: pollWaitSchema.optional() }), reply: jobStateSchema },
  "backup.end": { request: job, reply: z.object({}) },
  "backup.commit": { request: z.strictObject({ job_id: uuid, project_id: uuid }), reply: z.object({}) },
  "backup.source": {
    request: z.strictObject({ project_id: uuid }),
    reply: z.object({ digest: z.string().nullable() }),
  },
} as const;
