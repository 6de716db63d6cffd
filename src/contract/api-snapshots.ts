/**
 * Snapshots of a project as the UI, the CLI and scripts see them.
 *
 *   GET    /projects/:id/snapshots                      ProjectSnapshots
 *   POST   /projects/:id/snapshots                      → Snapshot
 *   DELETE /projects/:id/snapshots/:name                (owner)
 *   GET    /projects/:id/snapshots/:name/files?path=    a page of a folder, as it was; the project runs
 *   GET    /projects/:id/snapshots/:name/changes?path=  what is different now; the project runs
 *   POST   /projects/:id/snapshots/:name/restore        {paths} of a running project; {paths: null}: all of it (owner)
 */
import { z } from "zod";
import { changeSchema } from "./project-services/snapshots.ts";
import { fileSchema } from "./project-services.ts";
import { snapshotSchema, usageSchema } from "./storage.ts";

export const projectSnapshotsSchema = z.object({
  /** False where the host keeps projects in plain directories; `why` then says what that takes. */
  supported: z.boolean(),
  why: z.string().nullable(),
  /** Newest first. */
  snapshots: z.array(snapshotSchema),
  usage: usageSchema.nullable(),
});
export type ProjectSnapshots = z.infer<typeof projectSnapshotsSchema>;

export const snapshotFilesSchema = z.object({
  path: z.string(),
  entries: z.array(fileSchema),
  total: z.number().int(),
});
export const snapshotChangesSchema = z.object({ changes: z.array(changeSchema), more: z.boolean() });

export const restoreSnapshotSchema = z.object({
  /** Below the home. null: all of the project, what was installed included; it is stopped and started for that. */
  paths: z.array(z.string().min(1).max(4096)).min(1).max(100).nullable(),
});
export const restoredSchema = z.object({
  /** The snapshot of how it was until now. */
  safety: z.string().nullable(),
});
