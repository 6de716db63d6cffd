/** Restore drills: a backup that was never restored is a hope. Each day one project is restored to nowhere and compared. */
import { CodedError } from "../../core/errors.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { BackupTable } from "../db/schema.ts";
import type { Gate } from "./gate.ts";
import { HUB_REASON } from "./hub-backup.ts";
import type { Jobs } from "./jobs.ts";
import type { Repositories } from "./repositories.ts";
import { progressText } from "./service.ts";
import { type BackupStore, manifestOf } from "./store.ts";

/**
 * One of the projects' newest proven backups, the likelier the longer its project was not drilled. `random` 0–1.
 * Pure.
 */
export function choose(
  candidates: readonly { row: BackupTable; drilledAt: string | null }[],
  now: number,
  random: number,
): BackupTable | undefined {
  const weights = candidates.map(({ row, drilledAt }) =>
    Math.max(60_000, now - Date.parse(drilledAt ?? row.started_at) + (drilledAt === null ? 86_400_000 : 0)),
  );
  let at = random * weights.reduce((sum, one) => sum + one, 0);
  for (const [index, weight] of weights.entries()) {
    at -= weight;
    if (at <= 0) return candidates[index]?.row;
  }
  return candidates.at(-1)?.row;
}

export function createDrills(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore; jobs: Jobs; gate: Gate },
) {
  const { operations, links, projects } = core;
  const { repositories, store, jobs, gate } = deps;

  async function pick(projectId?: string): Promise<BackupTable> {
    const drills = await store.drills(1_000);
    const newest = new Map<string, BackupTable>();
    for (const row of await store.present()) {
      if (row.state !== "proven" || row.reason === HUB_REASON || newest.has(row.project_id)) continue;
      if (projectId !== undefined && row.project_id !== projectId) continue;
      const project = await projects.row(row.project_id);
      if (!project?.host_id || !links.isConnected(project.host_id)) continue;
      newest.set(row.project_id, { ...row, host_id: project.host_id });
    }
    const candidates = [...newest.values()].map((row) => ({
      row,
      drilledAt: drills.find((one) => one.project_id === row.project_id)?.started_at ?? null,
    }));
    const chosen = choose(candidates, Date.now(), Math.random());
    if (chosen) return chosen;
    throw new CodedError({
      code: "backup.nothing-to-drill",
      title: "There is no proven backup to try",
      why: "No project on a host that is connected has one.",
      fix: "Run a backup first.",
      status: 409,
    });
  }

  operations.register("backup.drill", {
    lane: "drill",
    steps: [["compared", "Restored to nowhere, and compared with what was backed up"]],
    async run(context) {
      const { backup_id } = context.input as { backup_id: string };
      const row = await store.row(backup_id);
      const project = row && (await projects.row(row.project_id));
      const one = row && (await repositories.find(row.repository_id));
      if (!row?.snapshot_id || !one || !project?.host_id)
        throw new CodedError({ code: "backup.gone", title: "This backup is not kept any more", status: 410 });
      const host_id = project.host_id;
      const snapshot = row.snapshot_id;
      await store.beginDrill({
        drill_id: context.operation_id,
        backup_id,
        project_id: row.project_id,
        project_name: row.project_name,
        host_id,
        state: "running",
        started_at: new Date().toISOString(),
        finished_at: null,
        files: 0,
        problem: null,
      });
      try {
        await context.step("compared", { state: "running" });
        const result = await gate.restore(one.repository_id, host_id, context.signal, () =>
          jobs.run({
            job_id: context.operation_id,
            project_id: row.project_id,
            host_id,
            repository: one,
            task: { kind: "drill", snapshot, manifest: manifestOf(row) },
            image: row.image,
            digest: row.digest,
            signal: context.signal,
            onProgress: (progress) =>
              void context.step("compared", { detail: progressText(progress) }).catch(() => {}),
          }),
        );
        await jobs.end(host_id, context.operation_id);
        if (result.differences.length > 0) {
          throw new CodedError({
            code: "backup.drill-differs",
            title: `What came back differs in ${result.differences.length} places`,
            why: result.differences.slice(0, 5).join("\n"),
            fix: "Do not rely on this backup. Run a new one and drill that.",
          });
        }
        await store.finishDrill(context.operation_id, { state: "passed", files: result.files });
        await context.step("compared", {
          state: "done",
          detail: `${result.files} files and ${result.dirs} folders came back as they were`,
        });
      } catch (error) {
        const problem =
          error instanceof CodedError ? error.details : { code: "internal", title: String(error) };
        await store.finishDrill(context.operation_id, { state: "failed", problem: JSON.stringify(problem) });
        throw error;
      }
    },
  });

  return {
    /** Error `backup.nothing-to-drill`. */
    async start(projectId?: string) {
      const row = await pick(projectId);
      return await operations.start(
        LOCAL_ADMIN,
        "backup.drill",
        { kind: "project", id: row.project_id, name: row.project_name },
        { backup_id: row.backup_id },
      );
    },
  };
}
export type Drills = ReturnType<typeof createDrills>;
