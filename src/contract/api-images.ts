/**
 * Root file systems that projects can have.
 *
 *   GET    /images         Image[]
 *   DELETE /images/:name   no new project gets it (admin); 409 while one has it
 *   POST   /images/prune   Pruned: archives that nothing needs any more are deleted (admin)
 */
import { z } from "zod";
import { problemSchema } from "./problem.ts";

export const imageSchema = z.object({
  image: z.string(),
  /** SHA-256 of its archive; null for `system`, which each host has of its own, as are the next two. */
  digest: z.string().nullable(),
  bytes: z.number().nullable(),
  created_at: z.string().nullable(),
  /** What it was made from; null: this machine's own distribution. */
  source: z.string().nullable(),
  /** How many have it, in whatever version. */
  projects: z.number().int(),
  /** What it was before and is kept, newest first, with how many projects began with it. */
  previous: z.array(
    z.object({
      digest: z.string(),
      bytes: z.number(),
      created_at: z.string(),
      projects: z.number().int(),
      /** A backup names it: a restore would need it. */
      backed_up: z.boolean(),
    }),
  ),
  /** Of `system`: the fingerprint of each host's programs, or why it offers none; for admins. Null for the others. */
  hosts: z
    .array(
      z.object({
        host_id: z.uuid(),
        name: z.string(),
        digest: z.string().nullable(),
        problem: problemSchema.nullable(),
      }),
    )
    .nullable(),
});
export type Image = z.infer<typeof imageSchema>;

export const prunedSchema = z.object({
  removed: z.array(z.object({ digest: z.string(), bytes: z.number() })),
  /** Projects of which it is not known what they began with; while there are any, nothing is removed. */
  unknown: z.array(z.string()),
});
export type Pruned = z.infer<typeof prunedSchema>;
