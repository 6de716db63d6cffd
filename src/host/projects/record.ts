/** What this host intends for each project, on disk: it comes back after a crash without asking anybody. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { projectSpecSchema } from "../../contract/host-control.ts";
import { isUuid } from "../../core/ids.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";

export const recordSchema = z.object({
  spec: projectSpecSchema,
  desired: z.enum(["running", "stopped"]),
  /** The root it was first started with: a project finds the very same one under its own changes. */
  digest: z.string().nullable(),
  /** Of its last start: by it a restarted daemon proves itself to a living agent. */
  token: z.string().nullable(),
});
export type ProjectRecord = z.infer<typeof recordSchema>;

export interface ProjectRecords {
  load(): ProjectRecord[];
  save(record: ProjectRecord): void;
  remove(projectId: string): void;
}

export function projectRecords(dir: string): ProjectRecords {
  const path = (id: string) => join(dir, `${id}.json`);
  return {
    load() {
      return readdirSync(dir)
        .filter((name) => name.endsWith(".json") && isUuid(name.slice(0, -5)))
        .flatMap((name) => readStateFile(join(dir, name), (value) => recordSchema.parse(value)) ?? []);
    },
    save: (record) => writeStateFile(path(record.spec.project_id), record),
    remove: (id) => rmSync(path(id), { force: true }),
  };
}
