/**
 * After a recovery: backups that were made since the hub's own last backup are in the repository, but in no database.
 * They are found by their snapshots and named for what they are: whole as far as can be seen, proven by nobody.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import type { HubCore } from "../core.ts";
import type { Repositories } from "./repositories.ts";
import type { BackupStore } from "./store.ts";

const log = logger("backups");
/** Written by `cocalc-hub recover`. */
export const RECOVERED = "recovered";

const snapshotSchema = z.object({
  id: z.string(),
  time: z.string(),
  hostname: z.string(),
  summary: z
    .object({
      total_files_processed: z.number().default(0),
      total_dirs_processed: z.number().default(0),
      total_bytes_processed: z.number().default(0),
      data_added: z.number().default(0),
    })
    .optional(),
});
const groupsSchema = z.array(z.object({ snapshots: z.array(snapshotSchema) }));

export async function adoptSnapshots(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore },
): Promise<void> {
  const mark = join(core.paths.dir, RECOVERED);
  if (!existsSync(mark)) return;
  const known = new Set((await deps.store.present()).map((row) => row.snapshot_id));
  for (const one of await deps.repositories.all()) {
    const groups = groupsSchema.parse(
      JSON.parse(await deps.repositories.rusticOk(one, ["snapshots", "--json"])),
    );
    for (const snapshot of groups.flatMap((group) => group.snapshots)) {
      const project_id = /^project-([0-9a-f-]{36})$/.exec(snapshot.hostname)?.[1];
      const project = project_id && (await core.projects.row(project_id));
      if (!project || known.has(snapshot.id)) continue;
      const at = new Date(snapshot.time).toISOString();
      const why =
        "It was found in the repository after the hub came back; it was not counted against its source.";
      await deps.store.begin({
        backup_id: newId(),
        project_id: project.project_id,
        project_name: project.name,
        host_id: project.host_id ?? "",
        repository_id: one.repository_id,
        snapshot_id: snapshot.id,
        state: "partial",
        reason: "found",
        started_at: at,
        finished_at: at,
        files: snapshot.summary?.total_files_processed ?? 0,
        dirs: snapshot.summary?.total_dirs_processed ?? 0,
        bytes: snapshot.summary?.total_bytes_processed ?? 0,
        added_bytes: snapshot.summary?.data_added ?? 0,
        took_ms: 0,
        left_out: JSON.stringify([why]),
        left_out_total: 0,
        problem: JSON.stringify({
          code: "backup.found",
          title: "This backup was found, not proven",
          why,
          fix: "It can be restored like any other; the next backup is proven again.",
        }),
        manifest: null,
        image: project.image,
        digest: null,
        forgotten_at: null,
      });
      log.info("a backup was found in the repository", { project_id, snapshot: snapshot.id });
    }
  }
  rmSync(mark, { force: true });
}
