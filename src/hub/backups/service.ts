/** Backups and restores of projects as operations: what people and the schedule ask for. */
import { z } from "zod";
import type { Operation } from "../../contract/api.ts";
import { type RestoreRequest, restoreRequestSchema } from "../../contract/api-backups.ts";
import type { Progress } from "../../contract/backup-job.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { BackupTable } from "../db/schema.ts";
import type { OperationContext } from "../operations/operations.ts";
import type { Gate } from "./gate.ts";
import type { Jobs } from "./jobs.ts";
import { lookAt } from "./look.ts";
import type { Owners } from "./owner.ts";
import { judge } from "./prove.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";
import { roomFor } from "./space.ts";
import { type BackupStore, manifestOf } from "./store.ts";

export type BackupService = ReturnType<typeof createBackupService>;
export type Reason =
  | "schedule"
  | "demand"
  | "move"
  | "archive"
  | "clone"
  | "restore"
  | "upgrade"
  | "deprovision";

const backupInput = z.object({ reason: z.string() });
const restoreInput = z.object({
  request: restoreRequestSchema,
  backup_id: z.string(),
  host_id: z.string(),
  start: z.boolean(),
});

export const BACKUP_STEPS: [name: string, label: string][] = [
  ["repository", "The repository is open"],
  ["sent", "Its files are in the repository"],
  ["proven", "Counted and seen there: proven"],
];

/** What a step shows of a running job, in words. */
export function progressText(progress: Progress): string {
  const parts = [progress.phase];
  if (progress.bytes !== undefined) parts.push(`${(progress.bytes / 2 ** 20).toFixed(1)} MiB`);
  if (progress.percent !== undefined) parts.push(`${Math.round(progress.percent * 100)} %`);
  return parts.join(", ");
}

export function createBackupService(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore; jobs: Jobs; gate: Gate; owners: Owners },
) {
  const { projects, operations, audit } = core;
  const { repositories, store, jobs, gate, owners } = deps;

  /** At most one word to the database in this time: progress comes twice a second. */
  const STEP_EVERY_MS = 1_000;
  function stepTeller(context: OperationContext, name: string): (progress: Progress) => void {
    let last = -STEP_EVERY_MS;
    return (progress) => {
      if (performance.now() - last < STEP_EVERY_MS) return;
      last = performance.now();
      void context.step(name, { detail: progressText(progress) }).catch(() => {});
    };
  }

  async function projectRow(projectId: string) {
    const row = await projects.row(projectId);
    if (row?.host_id) return { ...row, host_id: row.host_id };
    throw new CodedError({
      code: row ? "backup.not-placed" : "project.not-found",
      title: row ? `${row.name} is on no host` : "There is no such project",
      fix: row ? "It is archived: bring it back first." : undefined,
      status: row ? 409 : 404,
      exit: EX.NOINPUT,
    });
  }

  /** The newest backup of the project in this repository whose snapshot is still there: rustic reads only what changed. */
  async function parentOf(projectId: string, one: OpenRepository): Promise<string | null> {
    for (const row of await store.ofProject(projectId)) {
      if (row.repository_id !== one.repository_id || row.snapshot_id === null) continue;
      if (row.state !== "proven" && row.state !== "partial") continue;
      if (one.damaged_at !== null && row.started_at < one.damaged_at) continue;
      // Named but absent, it would be read anew with a warning, and a warning is no proof.
      if (await repositories.has(one, `snapshots/${row.snapshot_id}`)) return row.snapshot_id;
    }
    return null;
  }

  /** One backup from begin to proof. The row says the truth at each moment; also when this throws. */
  async function backUp(context: OperationContext, projectId: string, reason: string): Promise<BackupTable> {
    const backup_id = context.operation_id;
    const project = await projectRow(projectId);
    await context.step("repository", { state: "running" });
    const one = await repositories.forHost(project.host_id);
    await roomFor(one);
    const row: BackupTable = {
      backup_id,
      project_id: projectId,
      project_name: project.name,
      host_id: project.host_id,
      repository_id: one.repository_id,
      snapshot_id: null,
      state: "running",
      reason,
      started_at: new Date().toISOString(),
      finished_at: null,
      files: 0,
      dirs: 0,
      bytes: 0,
      added_bytes: 0,
      took_ms: 0,
      left_out: "[]",
      left_out_total: 0,
      problem: null,
      manifest: null,
      image: project.image,
      digest: null,
      forgotten_at: null,
    };
    await store.begin(row);
    try {
      await owners.assert(one);
      await context.step("repository", { state: "done" });
      await context.step("sent", { state: "running", detail: "waiting for its turn" });
      return await gate.backup(one.repository_id, project.host_id, context.signal, async () => {
        const source = await jobs.patiently(context.signal, project.host_id, () =>
          core.links.request(project.host_id, "backup.source", { project_id: projectId }),
        );
        const result = await jobs.run({
          job_id: backup_id,
          project_id: projectId,
          host_id: project.host_id,
          repository: one,
          task: { kind: "backup", parent: await parentOf(projectId, one) },
          image: project.image,
          digest: source.digest,
          signal: context.signal,
          onProgress: stepTeller(context, "sent"),
        });
        await context.step("sent", {
          state: "done",
          detail: `${result.files} files, ${(result.added_bytes / 2 ** 20).toFixed(1)} MiB new`,
        });
        await context.step("proven", { state: "running" });
        // Taken over meanwhile, it is kept by a hub that does not know of this one.
        await owners.assert(one);
        const seen = result.snapshot_id
          ? await lookAt(repositories, one, result.snapshot_id)
          : { whole: false, hostname: null };
        const verdict = judge(result, seen, projectId);
        const change = {
          snapshot_id: verdict.state === "failed" ? null : result.snapshot_id,
          state: verdict.state,
          files: result.files,
          dirs: result.dirs,
          bytes: result.manifest?.bytes ?? 0,
          added_bytes: result.added_bytes,
          took_ms: result.took_ms,
          left_out: JSON.stringify(verdict.leftOut),
          left_out_total: verdict.leftOutTotal,
          problem: verdict.problem ? JSON.stringify(verdict.problem) : null,
          manifest: result.manifest ? JSON.stringify(result.manifest) : null,
          digest: source.digest,
        };
        await store.finish(backup_id, change);
        await jobs.end(project.host_id, backup_id);
        if (verdict.state === "failed" && verdict.problem) throw new CodedError(verdict.problem);
        await context.step("proven", {
          state: "done",
          detail:
            verdict.state === "proven"
              ? `${result.manifest?.files} files and ${result.manifest?.dirs} folders there, as many read`
              : (verdict.problem?.title ?? "partial"),
        });
        return { ...row, ...change };
      });
    } catch (error) {
      await store.finish(backup_id, { state: "failed", problem: JSON.stringify(toProblem(error)) });
      throw error;
    }
  }

  operations.register("project.backup", {
    lane: "backup",
    steps: BACKUP_STEPS,
    async run(context) {
      await backUp(context, context.subject_id, backupInput.parse(context.input).reason);
    },
  });

  /** Brings a backup to a host and puts it in the project's place there; the project does not run meanwhile. */
  async function restoreWhole(
    context: OperationContext,
    row: BackupTable & { snapshot_id: string },
    hostId: string,
    projectId = row.project_id,
  ): Promise<void> {
    const one = await repositories.find(row.repository_id);
    if (!one) {
      throw new CodedError({
        code: "backup.no-repository",
        title: "The repository of this backup is not known any more",
      });
    }
    await context.step("restored", { state: "running", detail: "waiting for its turn" });
    // A clone on the host of its source: under the operation's own id runs the backup there.
    const job_id = projectId === row.project_id ? context.operation_id : projectId;
    await gate.restore(one.repository_id, hostId, context.signal, async () => {
      const result = await jobs.run({
        job_id,
        project_id: projectId,
        host_id: hostId,
        repository: one,
        task: { kind: "restore", snapshot: row.snapshot_id, manifest: manifestOf(row) },
        image: row.image,
        digest: row.digest,
        signal: context.signal,
        onProgress: stepTeller(context, "restored"),
      });
      const [first] = result.differences;
      if (first !== undefined) {
        await jobs.end(hostId, job_id);
        throw new CodedError({
          code: "restore.differs",
          title: `What came back is not what was backed up, in ${result.differences.length} places`,
          why: first,
          fix: "Nothing of the project was changed. Restore another backup, and look at the sweep's findings.",
          exit: EX.DATAERR,
        });
      }
      await context.step("restored", {
        state: "done",
        detail: `${result.files} files and ${result.dirs} folders, as backed up`,
      });
      await context.step("placed", { state: "running" });
      await jobs.patiently(context.signal, hostId, () =>
        core.links.request(hostId, "backup.commit", { job_id, project_id: projectId }, { timeout: 300_000 }),
      );
      await context.step("placed", { state: "done" });
      await jobs.end(hostId, job_id);
    });
  }

  /** Stops the operation's project; that it ran is remembered as `start`, since what takes it up finds it stopped. */
  async function stopped(context: OperationContext): Promise<void> {
    const row = await projects.row(context.subject_id);
    const ran = row?.desired_state === "running";
    if (row?.state === "stopped" && !ran) return;
    if (ran) await context.remember({ start: true });
    await core.projectService.stopAndWait(context.subject_id, context.signal);
  }

  operations.register("project.restore", {
    steps: [
      ["safe", "It is stopped"],
      ["restored", "Its files came back, beside those that are there"],
      ["placed", "They are in their place"],
      ["running", "It runs as before"],
    ],
    async run(context) {
      const input = restoreInput.parse(context.input);
      const row = await store.row(input.backup_id);
      if (!row?.snapshot_id) {
        throw new CodedError({ code: "backup.gone", title: "This backup is not kept any more", status: 410 });
      }
      // Done again after that, it would take away what the project wrote since it runs again.
      if (!context.wasDone("placed")) {
        await context.step("safe", { state: "running" });
        await stopped(context);
        await context.step("safe", { state: "done" });
        await restoreWhole(context, { ...row, snapshot_id: row.snapshot_id }, input.host_id);
      }
      if (!restoreInput.parse(context.input).start) {
        await context.step("running", { state: "skipped", detail: "it did not run before" });
        return;
      }
      await context.step("running", { state: "running" });
      await core.projectService.startAndWait(context.subject_id, context.signal);
      await context.step("running", { state: "done" });
    },
  });

  operations.register("project.restore-paths", {
    lane: "restore-paths",
    steps: [["restored", "The files are back"]],
    async run(context) {
      const input = restoreInput.parse(context.input);
      const { request } = input;
      const row = await store.row(input.backup_id);
      const one = row && (await repositories.find(row.repository_id));
      if (!row?.snapshot_id || !one || request.what !== "paths") {
        throw new CodedError({ code: "backup.gone", title: "This backup is not kept any more", status: 410 });
      }
      const into =
        request.to === "over" ? null : `restored-${row.started_at.replaceAll(":", "").slice(0, 15)}`;
      await context.step("restored", { state: "running" });
      const result = await gate.restore(one.repository_id, input.host_id, context.signal, () =>
        jobs.run({
          job_id: context.operation_id,
          project_id: context.subject_id,
          host_id: input.host_id,
          repository: one,
          task: { kind: "restore-paths", snapshot: row.snapshot_id ?? "", paths: request.paths, into },
          image: row.image,
          digest: row.digest,
          signal: context.signal,
          onProgress: stepTeller(context, "restored"),
        }),
      );
      await jobs.end(input.host_id, context.operation_id);
      await context.step("restored", {
        state: "done",
        detail:
          result.warnings_total > 0
            ? `${result.warnings_total} warnings: ${result.warnings[0]}`
            : into === null
              ? "over what was there"
              : `in the folder ${into}`,
      });
    },
  });

  return {
    backUp,
    restoreWhole,
    stopped,
    /** On demand: whoever may start the project. */
    async backup(caller: Caller, projectId: string, reason: Reason = "demand"): Promise<Operation> {
      const project = await projects.get(caller, projectId, "collaborator");
      await projectRow(project.project_id);
      await audit.write(caller.name, "backup.run", project.project_id, { reason });
      return await operations.start(
        caller,
        "project.backup",
        { kind: "project", id: project.project_id, name: project.name },
        { reason },
      );
    },
    /** By the schedule: nobody asked. */
    async backupDue(project: { project_id: string; name: string }): Promise<Operation> {
      return await operations.start(
        LOCAL_ADMIN,
        "project.backup",
        { kind: "project", id: project.project_id, name: project.name },
        { reason: "schedule" },
      );
    },
    async restore(
      caller: Caller,
      projectId: string,
      backupId: string,
      request: RestoreRequest,
    ): Promise<Operation> {
      const role = request.what === "project" ? "owner" : "collaborator";
      const project = await projects.get(caller, projectId, role);
      const row = await store.one(caller, project.project_id, backupId, role);
      const { host_id } = await projectRow(project.project_id);
      await audit.write(caller.name, "backup.restore", project.project_id, {
        backup_id: row.backup_id,
        ...request,
      });
      return await operations.start(
        caller,
        request.what === "project" ? "project.restore" : "project.restore-paths",
        { kind: "project", id: project.project_id, name: project.name },
        { request, backup_id: row.backup_id, host_id, start: false },
      );
    },
  };
}
