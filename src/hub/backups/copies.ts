/**
 * Files of one project into another: on one host straight from a snapshot of the source, sharing their bytes on the
 * disk where the file system can; between hosts by way of a backup.
 */
import { z } from "zod";
import type { JobResult, Task } from "../../contract/backup-job.ts";
import { CodedError } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import type { HubCore } from "../core.ts";
import type { OperationContext } from "../operations/operations.ts";
import type { Jobs } from "./jobs.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";
import { BACKUP_STEPS, type BackupService } from "./service.ts";

const copyInput = z.object({ source_id: z.string(), paths: z.array(z.string()), into: z.string() });

export function registerCopies(
  core: HubCore,
  deps: { repositories: Repositories; service: BackupService; jobs: Jobs },
): void {
  const { projects, operations, hosts } = core;
  const { repositories, service, jobs } = deps;
  const gone = () =>
    new CodedError({ code: "backup.gone", title: "There is nothing to copy from, or nowhere to" });

  /** A host of another version may not know how. */
  async function knowsHow(hostId: string): Promise<boolean> {
    return (await hosts.find(hostId))?.report?.version === VERSION;
  }

  /** What is asked of the target's host: with a backup made for it, unless both are there. */
  async function prepare(
    context: OperationContext,
    hostId: string,
  ): Promise<{ repository: OpenRepository | null; task: Task }> {
    const { source_id, paths, into } = copyInput.parse(context.input);
    const source = await projects.row(source_id);
    if (source?.host_id === hostId && (await knowsHow(hostId))) {
      for (const [name] of BACKUP_STEPS)
        await context.step(name, { state: "skipped", detail: "both are on one host" });
      return { repository: null, task: { kind: "copy-paths", source_id, paths, into } };
    }
    const made = await service.backUp(context, source_id, "copy");
    const repository = await repositories.find(made.repository_id);
    if (!made.snapshot_id || !repository) throw gone();
    return { repository, task: { kind: "restore-paths", snapshot: made.snapshot_id, paths, into } };
  }

  operations.register("project.copy", {
    lane: "restore-paths",
    steps: [...BACKUP_STEPS, ["copied", "They are in the other project"]],
    async run(context) {
      const { into } = copyInput.parse(context.input);
      const target = await projects.row(context.subject_id);
      if (!target?.host_id) throw gone();
      const how = await prepare(context, target.host_id);
      await context.step("copied", { state: "running" });
      const job_id = crypto.randomUUID();
      const result: JobResult = await jobs.run({
        job_id,
        project_id: context.subject_id,
        host_id: target.host_id,
        ...how,
        image: target.image,
        digest: null,
        signal: context.signal,
        onProgress: () => {},
      });
      await jobs.end(target.host_id, job_id);
      await context.step("copied", {
        state: "done",
        detail: result.warnings_total > 0 ? `${result.warnings[0]}` : `in the folder ${into}`,
      });
    },
  });
}
