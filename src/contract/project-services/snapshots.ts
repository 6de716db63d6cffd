/** What an agent does with the snapshots that its project sees below `~/.snapshots`: with the project's own rights. */
import { z } from "zod";
import { snapshotNameSchema } from "../storage.ts";

const path = z
  .string()
  .max(4096)
  .refine((text) => !text.includes("\0"), "a path holds no NUL");

/** Of one answer; `more` says that there are others. */
export const MAX_CHANGES = 1000;

export const changeSchema = z.object({
  /** Below the folder that was asked for; a folder that is new or gone as a whole stands for all in it. */
  path: z.string().max(4096),
  /** As seen from the snapshot to now. */
  kind: z.enum(["added", "removed", "changed"]),
  folder: z.boolean(),
  size_then: z.number().nullable(),
  size_now: z.number().nullable(),
});
export type Change = z.infer<typeof changeSchema>;

export const snapshotRequests = {
  /** What is different now from what was then, in a folder of the home. */
  "snapshots.changes": {
    request: z.object({ snapshot: snapshotNameSchema, path }),
    reply: z.object({ changes: z.array(changeSchema).max(MAX_CHANGES), more: z.boolean() }),
  },
  /** Puts files and folders of the home back as they were; each is whole before it takes its place. */
  "snapshots.restore": {
    request: z.object({ snapshot: snapshotNameSchema, paths: z.array(path).min(1).max(100) }),
    reply: z.object({ restored: z.array(z.string().max(4096)) }),
  },
} as const;
