/** All projects of a host that changed since their last proven backup, before something is done to the machine. */
import { z } from "zod";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubCore } from "../core.ts";
import { runFor } from "../operations/run-for.ts";
import { changedSince } from "./due.ts";
import type { BackupStore } from "./store.ts";

const input = z.object({ reason: z.string() });
const NAMED = 5;

export const namesOf = (names: readonly string[]) =>
  `${names.slice(0, NAMED).join(", ")}${names.length > NAMED ? ` and ${names.length - NAMED} more` : ""}`;

export function registerHostBackup(core: HubCore, { store }: { store: BackupStore }): void {
  const { db, links, operations, projects } = core;

  async function changed(hostId: string) {
    const rows = await db
      .selectFrom("projects")
      .selectAll()
      .where("host_id", "=", hostId)
      .orderBy("name")
      .execute();
    const proven = (await store.present()).filter((one) => one.state === "proven");
    return rows.filter((row) => {
      // Nothing ever ran in it: there is nothing to lose.
      if (row.last_used_at === null) return false;
      const last = proven.find((one) => one.project_id === row.project_id);
      return last === undefined || changedSince(row, last.started_at);
    });
  }

  operations.register("host.backup", {
    lane: "backup",
    steps: [["backed-up", "What changed there since its last proven backup is backed up"]],
    async run(context) {
      const { reason } = input.parse(context.input);
      const due = await changed(context.subject_id);
      const failed: { name: string; why: string }[] = [];
      const partial: string[] = [];
      for (const [at, { project_id, name }] of due.entries()) {
        await context.step("backed-up", { state: "running", detail: `${at + 1} of ${due.length}: ${name}` });
        const made = await runFor(operations, context, "project.backup", { project_id, name }, { reason });
        if (made.problem === null) {
          if ((await store.row(made.operation_id))?.state !== "proven") partial.push(name);
          continue;
        }
        if (!links.isConnected(context.subject_id)) {
          throw new CodedError({
            code: "host.away",
            title: "The host went away while its projects were backed up",
            exit: EX.UNAVAILABLE,
          });
        }
        // Deleted or moved meanwhile: it is none of this host's any more.
        if ((await projects.row(project_id))?.host_id !== context.subject_id) continue;
        failed.push({ name, why: made.problem.why ?? made.problem.title });
      }
      const [first] = failed;
      if (first) {
        throw new CodedError({
          code: "host.not-backed-up",
          title: `${failed.length} of ${due.length} projects that changed could not be backed up: ${namesOf(failed.map((one) => one.name))}`,
          why: `${first.name}: ${first.why}`,
          fix: "See its backups.",
          exit: EX.TEMPFAIL,
        });
      }
      await context.step("backed-up", {
        state: "done",
        detail:
          due.length === 0
            ? "nothing changed since"
            : `${due.length - partial.length} of ${due.length} proven${partial.length > 0 ? `; partial: ${namesOf(partial)}` : ""}`,
      });
    },
  });
}
