/**
 * What takes time, kept in the database: its steps are shown live, and what a restart of the hub interrupted is taken
 * up again by its handler. Handlers are idempotent.
 */
import type { Operation, Step } from "../../contract/api.ts";
import { CodedError, EX, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { OperationTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";

const log = logger("operations");
const MAX_ATTEMPTS = 5;

export interface OperationContext {
  operation_id: string;
  subject_id: string;
  /** Told when somebody cancelled it; a handler stops at its next step. */
  signal: AbortSignal;
  step(name: string, change: Partial<Step>): Promise<void>;
}
export interface OperationHandler {
  steps: readonly [name: string, label: string][];
  /** Kinds that end when this one is asked for on the same subject: a stop does not wait for a start. */
  supersedes?: readonly string[];
  run(context: OperationContext): Promise<void>;
}

export type Operations = ReturnType<typeof createOperations>;

function toOperation(row: OperationTable): Operation {
  return {
    operation_id: row.operation_id,
    kind: row.kind,
    state: row.state as Operation["state"],
    subject: {
      kind: row.subject_kind as Operation["subject"]["kind"],
      id: row.subject_id,
      name: row.subject_name,
    },
    steps: JSON.parse(row.steps) as Step[],
    attempt: row.attempt,
    problem: row.problem ? (JSON.parse(row.problem) as ProblemDetails) : null,
    created_at: row.created_at,
    finished_at: row.finished_at,
    requested_by: row.requested_by,
  };
}

export function createOperations(db: Db, deps: { events: Events }) {
  const handlers = new Map<string, OperationHandler>();
  const running = new Map<string, { kind: string; subject: string; controller: AbortController }>();
  /** Last in line per subject: a start and a stop of one project must not run at once. */
  const lines = new Map<string, Promise<void>>();
  const now = () => new Date().toISOString();

  async function load(id: string): Promise<OperationTable | undefined> {
    return await db.selectFrom("operations").selectAll().where("operation_id", "=", id).executeTakeFirst();
  }
  async function save(id: string, change: Partial<OperationTable>): Promise<void> {
    await db.updateTable("operations").set(change).where("operation_id", "=", id).execute();
    deps.events.changed("operation", id);
  }
  async function setStep(id: string, name: string, change: Partial<Step>): Promise<void> {
    const row = await load(id);
    if (!row) return;
    const steps = JSON.parse(row.steps) as Step[];
    const step = steps.find((one) => one.name === name);
    if (!step) return;
    Object.assign(step, change);
    if (change.state === "running") step.started_at ??= now();
    if (change.state === "done" || change.state === "failed") step.finished_at = now();
    await save(id, { steps: JSON.stringify(steps) });
  }

  /** In line behind what runs for the same subject. */
  function enqueue(id: string, kind: string, subject: string): void {
    if (running.has(id)) return;
    const ended = handlers.get(kind)?.supersedes ?? [];
    for (const other of running.values()) {
      if (other.subject === subject && ended.includes(other.kind)) other.controller.abort();
    }
    const controller = new AbortController();
    running.set(id, { kind, subject, controller });
    const before = lines.get(subject) ?? Promise.resolve();
    const mine = before
      .then(() => run(id, controller))
      .catch((error: unknown) => log.error("an operation could not be kept", { operation_id: id }, error))
      .finally(() => {
        running.delete(id);
        if (lines.get(subject) === mine) lines.delete(subject);
      });
    lines.set(subject, mine);
  }

  async function run(id: string, controller: AbortController): Promise<void> {
    const row = await load(id);
    const handler = row && handlers.get(row.kind);
    if (!row || !handler) return;
    if (controller.signal.aborted) {
      await save(id, { state: "cancelled", finished_at: now() });
      return;
    }
    try {
      await save(id, { state: "running", attempt: row.attempt + 1 });
      await handler.run({
        operation_id: id,
        subject_id: row.subject_id,
        signal: controller.signal,
        step: (name, change) => setStep(id, name, change),
      });
      await save(id, { state: "done", finished_at: now() });
    } catch (error) {
      const problem = toProblem(error);
      log.warn("operation failed", {
        operation_id: id,
        kind: row.kind,
        code: problem.code,
        title: problem.title,
      });
      const after = await load(id);
      const steps = (JSON.parse(after?.steps ?? "[]") as Step[]).map((step) =>
        step.state === "running" ? { ...step, state: "failed" as const, finished_at: now(), problem } : step,
      );
      await save(id, {
        state: controller.signal.aborted ? "cancelled" : "failed",
        steps: JSON.stringify(steps),
        problem: JSON.stringify(problem),
        finished_at: now(),
      });
    }
  }

  type Owner = Pick<OperationTable, "requested_by" | "subject_kind" | "subject_id">;
  /** Whoever asked, admins, and members of the project it is about. */
  async function visible(caller: Caller, row: Owner): Promise<boolean> {
    return (
      caller.admin || row.requested_by === caller.account_id || (await memberRole(caller, row)) !== undefined
    );
  }
  async function memberRole(caller: Caller, row: Owner): Promise<string | undefined> {
    if (row.subject_kind !== "project") return undefined;
    const member = await db
      .selectFrom("members")
      .select("role")
      .where("project_id", "=", row.subject_id)
      .where("account_id", "=", caller.account_id)
      .executeTakeFirst();
    return member?.role;
  }

  return {
    register(kind: string, handler: OperationHandler): void {
      handlers.set(kind, handler);
    },
    /** Starts one; whoever calls has checked that `caller` may. */
    async start(caller: Caller, kind: string, subject: Operation["subject"]): Promise<Operation> {
      const handler = handlers.get(kind);
      if (!handler) throw new CodedError({ code: "operation.unknown-kind", title: `No handler for ${kind}` });
      const row: OperationTable = {
        operation_id: newId(),
        kind,
        state: "pending",
        subject_kind: subject.kind,
        subject_id: subject.id,
        subject_name: subject.name,
        steps: JSON.stringify(handler.steps.map(([name, label]) => ({ name, label, state: "pending" }))),
        attempt: 0,
        problem: null,
        requested_by: caller.account_id,
        created_at: now(),
        finished_at: null,
      };
      await db.insertInto("operations").values(row).execute();
      deps.events.changed("operation", row.operation_id);
      enqueue(row.operation_id, kind, subject.id);
      return toOperation(row);
    },
    async get(caller: Caller, id: string): Promise<Operation> {
      const row = await load(id);
      if (!row || !(await visible(caller, row))) throw notFound("operation", id);
      return toOperation(row);
    },
    async list(caller: Caller): Promise<Operation[]> {
      const rows = await db
        .selectFrom("operations")
        .selectAll()
        .orderBy("created_at", "desc")
        .limit(200)
        .execute();
      const seen: Operation[] = [];
      for (const row of rows) if (await visible(caller, row)) seen.push(toOperation(row));
      return seen;
    },
    async cancel(caller: Caller, id: string): Promise<Operation> {
      const row = await load(id);
      if (!row || !(await visible(caller, row))) throw notFound("operation", id);
      if (!caller.admin && (await memberRole(caller, row)) === "viewer") {
        throw new CodedError({
          code: "operation.role",
          title: "A viewer cannot cancel it",
          fix: "Ask whoever started it.",
          status: 403,
          exit: EX.NOPERM,
        });
      }
      running.get(id)?.controller.abort();
      return toOperation((await load(id)) ?? row);
    },
    /** For live events. */
    async maySee(caller: Caller, id: string): Promise<boolean> {
      const row = await load(id);
      return row !== undefined && (await visible(caller, row));
    },
    /** After a start of the hub: takes up what was running when it ended, in its order. */
    async resume(): Promise<void> {
      const rows = await db
        .selectFrom("operations")
        .select(["operation_id", "kind", "subject_id", "attempt"])
        .where("state", "in", ["pending", "running"])
        .orderBy("created_at")
        .execute();
      for (const row of rows) {
        if (row.attempt < MAX_ATTEMPTS) {
          enqueue(row.operation_id, row.kind, row.subject_id);
          continue;
        }
        const problem: ProblemDetails = {
          code: "operation.too-many-attempts",
          title: `It was begun ${row.attempt} times and did not end`,
          why: "The hub ended each time before it was done.",
          fix: "See the hub's log for why it ended, then start it again.",
        };
        await save(row.operation_id, {
          state: "failed",
          problem: JSON.stringify(problem),
          finished_at: now(),
        });
      }
    },
  };
}
