/** hub → host: a project's snapshots. */
import { z } from "zod";
import {
  projectSnapshotsSchema,
  restoredSchema,
  snapshotChangesSchema,
  snapshotFilesSchema,
} from "../api-snapshots.ts";
import { snapshotNameSchema, snapshotSchema } from "../storage.ts";

const project_id = z.uuid();
const one = z.object({ project_id, name: snapshotNameSchema });
const path = z.string().max(4096);

export const snapshotHostVerbs = {
  "snapshots.list": { request: z.object({ project_id }), reply: projectSnapshotsSchema },
  "snapshots.create": { request: z.object({ project_id }), reply: snapshotSchema },
  "snapshots.remove": { request: one, reply: z.object({ removed: z.boolean() }) },
  "snapshots.files": {
    request: one.extend({ path, offset: z.number().int().min(0) }),
    reply: snapshotFilesSchema,
  },
  "snapshots.changes": { request: one.extend({ path }), reply: snapshotChangesSchema },
  "snapshots.restore": {
    request: one.extend({ paths: z.array(path).min(1).max(100).nullable() }),
    reply: restoredSchema,
  },
} as const;
