/**
 * After a recovery, or when another hub wrote there: backups that are in the repository, but in no database.
 * They are found by their snapshots and named for what they are: whole as far as can be seen, proven by nobody.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { ensureDir, type HubPaths } from "../../core/paths.ts";
import type { HubCore } from "../core.ts";
import type { Owners } from "./owner.ts";
import type { Repositories } from "./repositories.ts";
import type { BackupStore } from "./store.ts";

const log = logger("backups");
/** Written by `cocalc-hub recover`: until all was looked for, this hub takes over whatever repository it knows. */
export const RECOVERED = "recovered";
/** Written when a repository was taken over from another hub. */
const TAKEN_OVER = "taken-over";
type Reason = typeof RECOVERED | typeof TAKEN_OVER;

/** From now on backups that are in a repository and not in the database are looked for, once. */
export function lookFor(paths: HubPaths, reason: Reason = TAKEN_OVER): void {
  writeFileSync(join(ensureDir(paths.dir), reason), `${new Date().toISOString()}\n`, { mode: 0o600 });
}

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
  deps: { repositories: Repositories; store: BackupStore; owners: Owners },
): Promise<void> {
  const marks = [RECOVERED, TAKEN_OVER].map((name) => join(core.paths.dir, name)).filter(existsSync);
  if (marks.length === 0) return;
  const known = new Set((await deps.store.present()).map((row) => row.snapshot_id));
  for (const one of await deps.repositories.all()) {
    if (existsSync(join(core.paths.dir, RECOVERED))) await deps.owners.takeOver(one);
    const groups = groupsSchema.parse(
      JSON.parse(await deps.repositories.rusticOk(one, ["snapshots", "--json"])),
    );
    for (const snapshot of groups.flatMap((group) => group.snapshots)) {
      const project_id = /^project-([0-9a-f-]{36})$/.exec(snapshot.hostname)?.[1];
      if (project_id === undefined || known.has(snapshot.id)) continue;
      // Made and backed up after the hub's own last backup: it cannot be shown, but it is kept as any other.
      const project = await core.projects.row(project_id);
      const at = new Date(snapshot.time).toISOString();
      const why =
        "It was found in the repository after the hub came back; it was not counted against its source.";
      await deps.store.begin({
        backup_id: newId(),
        project_id,
        project_name: project?.name ?? "a project that this hub does not know",
        host_id: project?.host_id ?? "",
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
        image: project?.image ?? "",
        digest: null,
        forgotten_at: null,
      });
      log.info("a backup was found in the repository", { project_id, snapshot: snapshot.id });
    }
  }
  for (const mark of marks) rmSync(mark, { force: true });
}
