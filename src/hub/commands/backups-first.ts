/** Before a machine gets an upgrade, its projects that changed are backed up: by an operation, whose steps are shown. */
import type { Operation } from "../../contract/api.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { HostCommandTable } from "../db/schema.ts";
import { judgeBackups } from "./deliver.ts";

type Change = (row: HostCommandTable, set: Partial<HostCommandTable>) => Promise<boolean>;

/** `further`: called when a machine's backups came a step further. */
export function createBackupsFirst(
  core: Pick<HubCore, "operations" | "hosts" | "links" | "leases" | "events">,
  { change, further }: { change: Change; further: (hostId: string) => void },
) {
  const { operations, hosts, links, leases } = core;
  /** Machines by the operation that is waited for. */
  const awaited = new Map<string, string>();
  core.events.onChanged(({ kind, id }) => {
    const hostId = kind === "operation" ? awaited.get(id) : undefined;
    if (hostId !== undefined) further(hostId);
  });
  const detailOf = (made: Operation) => made.steps.find((step) => step.detail)?.detail ?? null;

  async function begin(row: HostCommandTable, name: string): Promise<void> {
    const made = await operations.start(
      LOCAL_ADMIN,
      "host.backup",
      { kind: "host", id: row.host_id, name },
      { reason: "upgrade" },
    );
    awaited.set(made.operation_id, row.host_id);
    const set = { state: "backing-up", detail: null, backup_operation: made.operation_id };
    // Cancelled meanwhile.
    if (!(await change(row, set))) await operations.cancel(LOCAL_ADMIN, made.operation_id);
  }

  function refusal(name: string, made: Operation): ProblemDetails {
    const problem = made.problem ?? { code: "operation.cancelled", title: "It was cancelled" };
    return {
      code: "upgrade.not-backed-up",
      title: `${name} was not upgraded: its projects could not be backed up first`,
      why: [problem.title, problem.why].filter(Boolean).join(". "),
      fix: "See the backups of those projects, and ask again. To upgrade all the same, say so.",
      command: `cocalc-hub host upgrade ${name} --without-backups`,
    };
  }

  return {
    /** Whether it may be sent now; takes it one step further there, and no two hubs do at once. */
    async done(row: HostCommandTable): Promise<boolean> {
      const made =
        row.backup_operation === null ? undefined : await operations.get(LOCAL_ADMIN, row.backup_operation);
      if (made?.finished_at) awaited.delete(made.operation_id);
      const judged = judgeBackups(row, { made, connected: links.isConnected(row.host_id), now: Date.now() });
      if (judged === "ready") {
        if (made && row.state === "backing-up")
          await change(row, { state: "waiting", detail: `backups: ${detailOf(made)}` });
        return true;
      }
      if (judged === "wait") {
        if (made) awaited.set(made.operation_id, row.host_id);
        const detail = made ? detailOf(made) : row.detail;
        if (detail !== row.detail) await change(row, { detail });
        return false;
      }
      const lease = await leases.take(`backups before ${row.command_id}`);
      if (lease === undefined) return false;
      try {
        const name = (await hosts.find(row.host_id))?.name ?? "This machine";
        if (judged === "begin") await begin(row, name);
        else if (judged === "again")
          await change(row, { state: "waiting", detail: null, backup_operation: null });
        else if (made)
          await change(row, {
            state: "failed",
            problem: JSON.stringify(refusal(name, made)),
            finished_at: new Date().toISOString(),
          });
      } finally {
        await lease.release();
      }
      return false;
    },
    async cancel(row: HostCommandTable): Promise<void> {
      if (row.backup_operation !== null) await operations.cancel(LOCAL_ADMIN, row.backup_operation);
    },
  };
}
