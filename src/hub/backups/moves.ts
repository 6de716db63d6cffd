/**
 * Projects that change their place: moved between hosts, cloned, archived into the repository and brought back, folders
 * copied from one to another. All by way of a proven backup: what arrives is compared with it before anything is taken
 * away.
 */
import { z } from "zod";
import type { Host, Operation } from "../../contract/api.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { Caller } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { BackupTable } from "../db/schema.ts";
import { assertOffers, assertSameSystem } from "../images/system.ts";
import type { OperationContext } from "../operations/operations.ts";
import { place } from "../projects/service.ts";
import { BACKUP_STEPS, type BackupService } from "./service.ts";
import type { BackupStore } from "./store.ts";

const log = logger("moves");
type Restorable = BackupTable & { snapshot_id: string };

const moveInput = z.object({
  host_id: z.string(),
  from_backup: z.boolean(),
  /** It ran when the move began. */
  start: z.boolean().default(false),
});
const cloneInput = z.object({ source_id: z.string(), host_id: z.string() });

const RESTORE_STEPS: [string, string][] = [
  ["restored", "Its files came back, and are what was backed up"],
  ["placed", "They are in their place"],
];

export function createMoves(core: HubCore, deps: { store: BackupStore; service: BackupService }) {
  const { projects, operations, hosts, links, audit, db } = core;
  const { store, service } = deps;

  async function lastProven(projectId: string): Promise<Restorable> {
    const row = (await store.ofProject(projectId)).find((one) => one.state === "proven");
    if (row?.snapshot_id) return { ...row, snapshot_id: row.snapshot_id };
    throw new CodedError({
      code: "backup.none-proven",
      title: "There is no proven backup of this project",
      why: "Only what was counted and seen in the repository is relied upon.",
      fix: "Back it up first, stopped: then nothing changes while it is read.",
      status: 409,
      exit: EX.DATAERR,
    });
  }

  /** Of the stopped project: nothing less than proven is good enough to take the original away for. */
  async function finalBackup(
    context: OperationContext,
    projectId: string,
    reason: string,
  ): Promise<Restorable> {
    const row = await service.backUp(context, projectId, reason);
    if (row.state === "proven" && row.snapshot_id) return { ...row, snapshot_id: row.snapshot_id };
    throw new CodedError({
      code: "move.not-proven",
      title: "The last backup before it is not proven: nothing was moved",
      why: (JSON.parse(row.left_out) as string[])[0] ?? "",
      fix: "See what is not in it; then try again.",
      exit: EX.DATAERR,
    });
  }

  /** The host forgets the project and its files; one that is away is told when it is there again. */
  async function clear(projectId: string, hostId: string, keep: boolean): Promise<void> {
    await db
      .insertInto("project_leftovers")
      .values({ project_id: projectId, host_id: hostId, keep: keep ? 1 : 0, since: new Date().toISOString() })
      .onConflict((c) => c.columns(["project_id", "host_id"]).doUpdateSet({ keep: keep ? 1 : 0 }))
      .execute();
    await clearLeftovers(hostId);
  }

  async function clearLeftovers(hostId?: string): Promise<void> {
    for (const one of await db.selectFrom("project_leftovers").selectAll().execute()) {
      if ((hostId !== undefined && one.host_id !== hostId) || !links.isConnected(one.host_id)) continue;
      const now = await projects.row(one.project_id);
      try {
        // It was moved back meanwhile: that is no leftover.
        if (now?.host_id !== one.host_id) {
          await links.request(
            one.host_id,
            one.keep === 1 ? "project.stop" : "project.remove",
            { project_id: one.project_id },
            { timeout: 300_000 },
          );
        }
      } catch (error) {
        const unknown = error instanceof CodedError && error.code === "project.unknown";
        if (!unknown) {
          log.warn("what a move left is still there", { ...one, why: messageOf(error) });
          continue;
        }
      }
      // What is kept is looked after by a person; it is stopped once.
      await db
        .deleteFrom("project_leftovers")
        .where("project_id", "=", one.project_id)
        .where("host_id", "=", one.host_id)
        .execute();
    }
  }

  operations.register("project.move", {
    steps: [
      ["stopped", "It is stopped"],
      ...BACKUP_STEPS,
      ...RESTORE_STEPS,
      ["switched", "It belongs to the other host"],
      ["running", "It runs as before"],
      ["cleaned", "The old place is empty"],
    ],
    async run(context) {
      const { host_id, from_backup } = moveInput.parse(context.input);
      const id = context.subject_id;
      const before = await projects.row(id);
      const from = before?.host_id ?? null;
      if (before?.desired_state === "running") await context.remember({ start: true });
      if (from !== host_id) {
        let row: Restorable;
        await context.step("stopped", { state: "running" });
        if (from !== null && !from_backup) {
          await service.stopped(context);
          await context.step("stopped", { state: "done" });
          row = await finalBackup(context, id, "move");
        } else {
          await context.step("stopped", { state: "skipped", detail: "what ran there may still be running" });
          row = await lastProven(id);
          await context.step("proven", { state: "done", detail: `the backup of ${row.started_at}` });
        }
        await projects.setState(id, "moving");
        try {
          await service.restoreWhole(context, row, host_id);
        } catch (error) {
          // Nothing was taken away: it is where it was.
          await projects.setState(id, "stopped");
          throw error;
        }
        await context.step("switched", { state: "running" });
        await projects.moveTo(id, host_id, "stopped");
        await core.projectService.announce(id, context.signal);
        await context.step("switched", { state: "done" });
        if (from !== null) {
          await context.step("cleaned", { state: "running" });
          await clear(id, from, from_backup);
          await context.step("cleaned", {
            state: "done",
            detail: links.isConnected(from)
              ? from_backup
                ? "stopped there; its files are kept"
                : ""
              : "when that host is there again",
          });
        }
      }
      if (!moveInput.parse(context.input).start) {
        await context.step("running", { state: "skipped", detail: "it did not run before" });
        return;
      }
      await context.step("running", { state: "running" });
      await core.projectService.startAndWait(id, context.signal);
      await context.step("running", { state: "done" });
    },
  });

  operations.register("project.clone", {
    steps: [...BACKUP_STEPS, ...RESTORE_STEPS],
    async run(context) {
      const { source_id, host_id } = cloneInput.parse(context.input);
      const source = await projects.row(source_id);
      const reachable =
        source?.host_id !== null && source !== undefined && links.isConnected(source.host_id ?? "");
      let row: Restorable | undefined;
      if (reachable) {
        const made = await service.backUp(context, source_id, "clone");
        if (made.snapshot_id) row = { ...made, snapshot_id: made.snapshot_id };
      }
      await service.restoreWhole(context, row ?? (await lastProven(source_id)), host_id, context.subject_id);
      await projects.setState(context.subject_id, "stopped");
      await core.projectService.announce(context.subject_id, context.signal);
    },
  });

  operations.register("project.archive", {
    steps: [
      ["stopped", "It is stopped"],
      ...BACKUP_STEPS,
      ["switched", "It is in the repository alone"],
      ["cleaned", "Its place on the host is empty"],
    ],
    async run(context) {
      const id = context.subject_id;
      const from = (await projects.row(id))?.host_id ?? null;
      if (from === null) return;
      await context.step("stopped", { state: "running" });
      await service.stopped(context);
      await context.step("stopped", { state: "done" });
      await finalBackup(context, id, "archive");
      await context.step("switched", { state: "running" });
      await projects.moveTo(id, null, "archived");
      await context.step("switched", { state: "done" });
      await context.step("cleaned", { state: "running" });
      await clear(id, from, false);
      await context.step("cleaned", { state: "done" });
    },
  });

  operations.register("project.unarchive", {
    steps: [...RESTORE_STEPS, ["switched", "It is on a host again"]],
    async run(context) {
      const { host_id } = moveInput.parse(context.input);
      const id = context.subject_id;
      if ((await projects.row(id))?.host_id !== null) return;
      await service.restoreWhole(context, await lastProven(id), host_id);
      await context.step("switched", { state: "running" });
      await projects.moveTo(id, host_id, "stopped");
      await core.projectService.announce(id, context.signal);
      await context.step("switched", { state: "done" });
    },
  });

  /** Where to: the one that was named, or the ready one with most room. */
  async function destination(key: string | undefined, image: string): Promise<Host> {
    const all = await hosts.all();
    if (key === undefined) return place(all, await core.settings.processRuntime(), image);
    const host = all.find((one) => one.host_id === key || one.name === key);
    if (host?.state === "ready" || host?.state === "degraded") return host;
    throw new CodedError({
      code: host ? "host.not-ready" : "host.not-found",
      title: host ? `${host.name} is ${host.state}` : `There is no host ${key}`,
      fix: "See the list: cocalc-hub host list",
      status: host ? 409 : 422,
      exit: EX.TEMPFAIL,
    });
  }
  /** `system` is of one machine: another one with other programs is asked about, unless that was said to be right. */
  async function assertFits(projectId: string, host: Host, other: boolean, again: string): Promise<void> {
    const row = await projects.row(projectId);
    if (row !== undefined && row.host_id !== host.host_id)
      other ? assertOffers(row.image, host) : assertSameSystem(row, host, again);
  }
  const subjectOf = (project: { project_id: string; name: string }) => ({
    kind: "project" as const,
    id: project.project_id,
    name: project.name,
  });

  return {
    clearLeftovers,
    /**
     * Errors: `move.host-away` with the age of the last proven backup, unless that is said to be good enough;
     * `move.other-system`, unless `otherSystem`.
     */
    async move(
      caller: Caller,
      key: string,
      to: string,
      { fromBackup, otherSystem }: { fromBackup: boolean; otherSystem: boolean },
    ): Promise<Operation> {
      const project = await projects.get(caller, key, "owner");
      const host = await destination(to, project.image);
      const { host_id } = host;
      const again = `cocalc-hub project move ${project.project_id} --to ${host.name} --other-system`;
      await assertFits(project.project_id, host, otherSystem, again);
      if (project.host_id !== null && !links.isConnected(project.host_id) && !fromBackup) {
        const row = await lastProven(project.project_id);
        throw new CodedError({
          code: "move.host-away",
          title: `${project.host_name ?? "Its host"} is away, so what changed there since its last proven backup stays there`,
          why: `The last proven backup is of ${row.started_at}.`,
          fix: "Wait until the host is back, or move what that backup has. Nothing has changed yet.",
          command: `cocalc-hub project move ${project.project_id} --to ${to} --from-backup`,
          status: 409,
          exit: EX.TEMPFAIL,
        });
      }
      await audit.write(caller.name, "project.move", project.project_id, {
        host_id,
        from_backup: fromBackup,
      });
      return await operations.start(caller, "project.move", subjectOf(project), {
        host_id,
        from_backup: fromBackup,
      });
    },
    /** Error: `move.other-system`. */
    async clone(
      caller: Caller,
      key: string,
      name: string,
      { to, otherSystem }: { to: string | undefined; otherSystem: boolean },
    ): Promise<Operation> {
      const source = await projects.get(caller, key, "collaborator");
      const host = await destination(to ?? source.host_id ?? undefined, source.image);
      const { host_id } = host;
      const again = `cocalc-hub project clone ${source.project_id} --name '${name.replaceAll("'", "")}' --to ${host.name} --other-system`;
      await assertFits(source.project_id, host, otherSystem, again);
      const id = await projects.create(caller, {
        name,
        description: source.description,
        host_id,
        image: source.image,
        limits: source.limits,
      });
      await audit.write(caller.name, "project.clone", id, { source_id: source.project_id });
      return await operations.start(
        caller,
        "project.clone",
        { kind: "project", id, name },
        { source_id: source.project_id, host_id },
      );
    },
    async archive(caller: Caller, key: string): Promise<Operation> {
      const project = await projects.get(caller, key, "owner");
      await audit.write(caller.name, "project.archive", project.project_id, {});
      return await operations.start(caller, "project.archive", subjectOf(project));
    },
    /** Error: `move.other-system`. */
    async unarchive(
      caller: Caller,
      key: string,
      { to, otherSystem }: { to: string | undefined; otherSystem: boolean },
    ): Promise<Operation> {
      const project = await projects.get(caller, key, "owner");
      const host = await destination(to, project.image);
      const { host_id } = host;
      const again = `cocalc-hub project unarchive ${project.project_id} --to ${host.name} --other-system`;
      await assertFits(project.project_id, host, otherSystem, again);
      await audit.write(caller.name, "project.unarchive", project.project_id, { host_id });
      return await operations.start(caller, "project.unarchive", subjectOf(project), {
        host_id,
        from_backup: true,
      });
    },
    /** Folders and files of one project into a new folder of another. */
    async copy(caller: Caller, key: string, from: string, paths: string[]): Promise<Operation> {
      const project = await projects.get(caller, key, "collaborator");
      const source = await projects.get(caller, from, "collaborator");
      const into = `copied-${new Date().toISOString().replaceAll(":", "").slice(0, 17)}`;
      await audit.write(caller.name, "project.copy", project.project_id, { from: source.project_id, paths });
      return await operations.start(caller, "project.copy", subjectOf(project), {
        source_id: source.project_id,
        paths,
        into,
      });
    },
  };
}
export type Moves = ReturnType<typeof createMoves>;
