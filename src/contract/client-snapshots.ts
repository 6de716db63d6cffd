/** Snapshots of a project, as functions. */
import { z } from "zod";
import {
  projectSnapshotsSchema,
  restoredSchema,
  snapshotChangesSchema,
  snapshotFilesSchema,
} from "./api-snapshots.ts";
import type { ApiCall } from "./client.ts";
import { encodePath } from "./path-bytes.ts";
import { snapshotSchema } from "./storage.ts";

const removedSchema = z.object({ removed: z.boolean() });

export function snapshotCalls(call: ApiCall) {
  const at = (project: string, name?: string) =>
    `/projects/${encodeURIComponent(project)}/snapshots${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
  return {
    list: (project: string) => call("GET", at(project), projectSnapshotsSchema),
    create: (project: string) => call("POST", at(project), snapshotSchema, {}),
    remove: (project: string, name: string) => call("DELETE", at(project, name), removedSchema),
    files: (project: string, name: string, path: string, offset = 0) =>
      call(
        "GET",
        `${at(project, name)}/files?offset=${offset}&path=${encodePath(path)}`,
        snapshotFilesSchema,
      ),
    changes: (project: string, name: string, path: string) =>
      call("GET", `${at(project, name)}/changes?path=${encodePath(path)}`, snapshotChangesSchema),
    /** `null`: all of it. */
    restore: (project: string, name: string, paths: string[] | null) =>
      call("POST", `${at(project, name)}/restore`, restoredSchema, { paths }),
  };
}
