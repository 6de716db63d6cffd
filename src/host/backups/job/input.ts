/** What the helper hands to a job on its standard input. */
import { z } from "zod";
import { repositorySchema, sshAccessSchema, taskSchema } from "../../../contract/backup-job.ts";

export const jobInputSchema = z.strictObject({
  project_id: z.uuid(),
  task: taskSchema,
  repository: repositorySchema.nullable(),
  ssh: sshAccessSchema.nullable(),
  /** The tree goes on changing while it is read. */
  live: z.boolean(),
  /** Inside the jail; a test has no jail. */
  places: z.strictObject({ data: z.string(), tmp: z.string(), cache: z.string(), rustic: z.string() }),
});
export type JobInput = z.infer<typeof jobInputSchema>;
