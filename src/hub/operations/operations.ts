/**
 * What takes time, kept in the database: its steps are shown live, and what a restart of the hub interrupted is taken
 * up again by its handler. Handlers are idempotent. Whoever holds the lease of a subject runs what is asked for it, so
 * that two hubs on one database never do so at once.
 */
import type { Operation, Step } from "../../contract/api.ts";
import { CodedError, EX, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { Lease, Leases } from "../db/leases.ts";
import type { Db } from "../db/open.ts";
import type { OperationTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";

const log = logger("operations");
const MAX_ATTEMPTS = 5;
const UNFINISHED = ["pending", "running"];
/** How often what another hub left behind is looked for. */
const SWEEP_MS = 10_000;

export interface OperationContext {
  operation_id: string;
  subject_id: string;
  /** Who asked; null when nobody did (a schedule). */
  requested_by: string | null;
  /** What {@link Operations.start} was given, and what was remembered since. */
  readonly input: unknown;
  /** Told when somebody cancelled it; a handler stops at its next step. */
  signal: AbortSignal;
  step(name: string, change: Partial<Step>): Promise<void>;
  /** Came to its end in an earlier attempt, which the end of its hub cut off. */
  wasDone(step: string): boolean;
  /** Into `input`, for an attempt that takes this one up: what it finds changed would tell it something else. */
  remember(facts: Record<string, unknown>): Promise<void>;
}
export interface OperationHandler {
  steps: readonly [name: string, label: string][];
  /** Kinds that end when this one is asked for on the same subject: a stop does not wait for a start. */
  supersedes?: readonly string[];
  /** Operations on one subject wait for each other within a lane; a backup holds up no start. */
  lane?: string;
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

export function createOperations(db: Db, deps: { events: Events; leases: Leases }) {
  const handlers = new Map<string, OperationHandler>();
  const running = new Map<string, { kind: string; subject: string; controller: AbortController }>();
  /** Last in line per subject: a start and a stop of one project must not run at once. */
  const lines = new Map<string, Promise<void>>();
  let sweeping: ReturnType<typeof setInterval> | undefined;
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
    const line = `${subject} ${handlers.get(kind)?.lane ?? ""}`;
    const before = lines.get(line) ?? Promise.resolve();
    const mine = before
      .then(() => run(id, controller))
      .catch((error: unknown) => log.error("an operation could not be kept", { operation_id: id }, error))
      .finally(() => {
        running.delete(id);
        if (lines.get(line) === mine) lines.delete(line);
      });
    lines.set(line, mine);
  }

  async function run(id: string, controller: AbortController): Promise<void> {
    const found = await load(id);
    const subject = found && `${found.subject_id} ${handlers.get(found.kind)?.lane ?? ""}`;
    // Another hub works on this subject: it does this one too, or the next sweep here does.
    const lease = subject === undefined ? undefined : await deps.leases.take(`operations of ${subject}`);
    if (!lease) return;
    lease.signal.addEventListener("abort", () => controller.abort(), { once: true });
    try {
      await runAlone(id, controller, lease);
    } finally {
      await lease.release();
    }
  }

  function contextOf(row: OperationTable, signal: AbortSignal): OperationContext {
    const id = row.operation_id;
    const before = JSON.parse(row.steps) as Step[];
    let input = row.input === null ? null : (JSON.parse(row.input) as unknown);
    return {
      operation_id: id,
      subject_id: row.subject_id,
      requested_by: row.requested_by,
      get input() {
        return input;
      },
      signal,
      step: (name, change) => setStep(id, name, change),
      wasDone: (name) => before.some((step) => step.name === name && step.state === "done"),
      async remember(facts) {
        input = { ...(input as object | null), ...facts };
        await save(id, { input: JSON.stringify(input) });
      },
    };
  }

  async function runAlone(id: string, controller: AbortController, lease: Lease): Promise<void> {
    const row = await load(id);
    const handler = row && handlers.get(row.kind);
    // Done elsewhere while it waited here.
    if (!row || !handler || !UNFINISHED.includes(row.state)) return;
    if (controller.signal.aborted) {
      await save(id, { state: "cancelled", finished_at: now() });
      return;
    }
    if (row.attempt >= MAX_ATTEMPTS) {
      const problem: ProblemDetails = {
        code: "operation.too-many-attempts",
        title: `It was begun ${row.attempt} times and did not end`,
        why: "The hub ended each time before it was done.",
        fix: "See the hub's log for why it ended, then start it again.",
      };
      await save(id, { state: "failed", problem: JSON.stringify(problem), finished_at: now() });
      return;
    }
    try {
      await save(id, { state: "running", attempt: row.attempt + 1 });
      await handler.run(contextOf(row, controller.signal));
      if (await lease.held()) await save(id, { state: "done", finished_at: now() });
    } catch (error) {
      // Whoever has the lease now says how it ends.
      if (!(await lease.held())) return;
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

  async function sweep(): Promise<void> {
    const rows = await db
      .selectFrom("operations")
      .select(["operation_id", "kind", "subject_id"])
      .where("state", "in", UNFINISHED)
      .orderBy("created_at")
      .execute();
    for (const row of rows) {
      if (running.has(row.operation_id)) continue;
      enqueue(row.operation_id, row.kind, row.subject_id);
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
    async start(
      caller: Caller,
      kind: string,
      subject: Operation["subject"],
      input: unknown = null,
    ): Promise<Operation> {
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
        input: input === null ? null : JSON.stringify(input),
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
    /** After a start of the hub: takes up what was running when it ended, in its order; and what others leave. */
    async resume(): Promise<void> {
      clearInterval(sweeping);
      await sweep();
      sweeping = setInterval(() => {
        sweep().catch((error: unknown) => log.error("operations could not be looked through", {}, error));
      }, SWEEP_MS);
    },
    close(): void {
      clearInterval(sweeping);
    },
  };
}
