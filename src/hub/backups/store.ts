/** Backups and drills in the database, behind the caller. */
import type { Backup, Drill } from "../../contract/api-backups.ts";
import { type Manifest, manifestSchema } from "../../contract/backup-job.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { BackupDrillTable, BackupTable } from "../db/schema.ts";

export type BackupStore = ReturnType<typeof createBackupStore>;

export const manifestOf = (row: BackupTable): Manifest | null =>
  row.manifest === null ? null : manifestSchema.parse(JSON.parse(row.manifest));

export function createBackupStore({ db, events, projects, hosts }: HubCore) {
  const problemOf = (text: string | null) =>
    text === null ? null : (JSON.parse(text) as ProblemDetails & { code: string; title: string });

  async function names(): Promise<Map<string, string>> {
    return new Map((await hosts.all()).map((host) => [host.host_id, host.name]));
  }
  function toBackup(row: BackupTable, hostNames: Map<string, string>): Backup {
    const { project_name: _name, repository_id: _repository, manifest: _manifest, ...rest } = row;
    const { image: _image, digest: _digest, forgotten_at: _forgotten, ...seen } = rest;
    return {
      ...seen,
      host_name: hostNames.get(row.host_id) ?? null,
      state: row.state as Backup["state"],
      left_out: JSON.parse(row.left_out) as string[],
      problem: problemOf(row.problem),
    };
  }
  function toDrill(row: BackupDrillTable, hostNames: Map<string, string>): Drill {
    const { host_id, ...rest } = row;
    return {
      ...rest,
      host_name: hostNames.get(host_id) ?? null,
      state: row.state as Drill["state"],
      problem: problemOf(row.problem),
    };
  }
  const present = () => db.selectFrom("backups").selectAll().where("forgotten_at", "is", null);

  return {
    // ---- behind a caller ----
    async list(caller: Caller, projectId: string): Promise<Backup[]> {
      const project = await projects.get(caller, projectId);
      const rows = await present()
        .where("project_id", "=", project.project_id)
        .orderBy("started_at", "desc")
        .limit(500)
        .execute();
      const hostNames = await names();
      return rows.map((row) => toBackup(row, hostNames));
    },
    /** One with a snapshot, of a project in which the caller has at least this role. */
    async one(
      caller: Caller,
      projectId: string,
      backupId: string,
      role: "viewer" | "collaborator" | "owner",
    ): Promise<BackupTable & { snapshot_id: string }> {
      const project = await projects.get(caller, projectId, role);
      const rows = await present()
        .where("project_id", "=", project.project_id)
        .where("snapshot_id", "is not", null)
        .orderBy("started_at", "desc")
        .execute();
      // `latest`: the newest that holds all.
      if (backupId.length < 6) throw notFound("backup", backupId);
      const row =
        backupId === "latest"
          ? (rows.find((one) => one.state === "proven") ?? rows[0])
          : rows.find((one) => one.backup_id.startsWith(backupId) || one.snapshot_id?.startsWith(backupId));
      if (!row?.snapshot_id) throw notFound("backup", backupId);
      return { ...row, snapshot_id: row.snapshot_id };
    },
    // ---- the hub's own machinery ----
    toBackup: async (row: BackupTable) => toBackup(row, await names()),
    async begin(row: BackupTable): Promise<void> {
      await db
        .insertInto("backups")
        .values(row)
        // The hub was restarted: the same job goes on.
        .onConflict((c) => c.column("backup_id").doUpdateSet({ state: row.state, host_id: row.host_id }))
        .execute();
      events.changed("project", row.project_id);
    },
    async finish(backupId: string, change: Partial<BackupTable>): Promise<void> {
      await db
        .updateTable("backups")
        .set({ finished_at: new Date().toISOString(), ...change })
        .where("backup_id", "=", backupId)
        .execute();
      const row = await db
        .selectFrom("backups")
        .select("project_id")
        .where("backup_id", "=", backupId)
        .executeTakeFirst();
      if (row) events.changed("project", row.project_id);
    },
    async present(): Promise<BackupTable[]> {
      return await present().orderBy("started_at", "desc").execute();
    },
    /** Newest first. */
    async ofProject(projectId: string): Promise<BackupTable[]> {
      return await present().where("project_id", "=", projectId).orderBy("started_at", "desc").execute();
    },
    async row(backupId: string): Promise<BackupTable | undefined> {
      return await db.selectFrom("backups").selectAll().where("backup_id", "=", backupId).executeTakeFirst();
    },
    async forget(backupIds: string[]): Promise<void> {
      if (backupIds.length === 0) return;
      await db
        .updateTable("backups")
        .set({ forgotten_at: new Date().toISOString(), manifest: null })
        .where("backup_id", "in", backupIds)
        .execute();
    },
    /** What was running when the hub ended, and is not any more. */
    async closeStale(before: string, problem: ProblemDetails): Promise<void> {
      await db
        .updateTable("backups")
        .set({ state: "failed", finished_at: new Date().toISOString(), problem: JSON.stringify(problem) })
        .where("state", "=", "running")
        .where("started_at", "<", before)
        .execute();
    },
    /** The file of a snapshot was put aside: what it is of cannot be restored from it. */
    async snapshotGone(repositoryId: string, snapshot: string): Promise<void> {
      const problem = {
        code: "backup.snapshot-damaged",
        title: "The snapshot's file in the repository was damaged, and put aside",
        why: "Its content was not what its name says.",
        fix: "Restore another one; the next backup is whole again.",
      };
      await db
        .updateTable("backups")
        .set({ state: "failed", snapshot_id: null, problem: JSON.stringify(problem) })
        .where("repository_id", "=", repositoryId)
        .where("snapshot_id", "=", snapshot)
        .execute();
    },
    async beginDrill(row: BackupDrillTable): Promise<void> {
      await db
        .insertInto("backup_drills")
        .values(row)
        .onConflict((c) => c.column("drill_id").doUpdateSet({ state: row.state }))
        .execute();
    },
    async finishDrill(drillId: string, change: Partial<BackupDrillTable>): Promise<void> {
      await db
        .updateTable("backup_drills")
        .set({ finished_at: new Date().toISOString(), ...change })
        .where("drill_id", "=", drillId)
        .execute();
    },
    /** Newest first. */
    async drills(limit = 50): Promise<Drill[]> {
      const rows = await db
        .selectFrom("backup_drills")
        .selectAll()
        .orderBy("started_at", "desc")
        .limit(limit)
        .execute();
      const hostNames = await names();
      return rows.map((row) => toDrill(row, hostNames));
    },
  };
}
