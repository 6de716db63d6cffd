/**
 * What a check is. Checks say what was measured, never what is hoped: one that could not be run is `unknown`, and
 * unknown never counts as healthy.
 *
 * @example
 * const disk: CheckDefinition = { code: "hub.disk", group: "Hub", name: "Disk space", run: async () => ok("41 GiB free") };
 */
import type { Check, DoctorReport } from "../../contract/api.ts";
import { messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";

export interface Outcome {
  status: "ok" | "warn" | "fail" | "unknown" | "skipped";
  /** What was measured, in words. */
  value: string | null;
  problem: ProblemDetails | null;
}

export interface CheckDefinition {
  code: string;
  group: string;
  name: string;
  host_id?: string;
  /** Where {@link CHECK_TIMEOUT_MS} is too short for what it does on a slow machine. */
  timeoutMs?: number;
  run(signal: AbortSignal): Promise<Outcome>;
}

/** A check that has not answered by then is `unknown`: a hung host must not hang the doctor. */
export const CHECK_TIMEOUT_MS = 20_000;

export const ok = (value: string): Outcome => ({ status: "ok", value, problem: null });
export const warn = (value: string, problem: ProblemDetails): Outcome => ({ status: "warn", value, problem });
export const fail = (value: string | null, problem: ProblemDetails): Outcome => ({
  status: "fail",
  value,
  problem,
});
export const skipped = (value: string): Outcome => ({ status: "skipped", value, problem: null });
export const unknown = (problem: ProblemDetails): Outcome => ({ status: "unknown", value: null, problem });

const noAnswer = (definition: CheckDefinition, ms: number): Outcome =>
  unknown({
    code: `${definition.code}-timeout`,
    title: `${definition.name}: no answer within ${ms / 1000} s`,
    why: "What it asks did not answer in time, so its state is not known.",
    fix: "Look at the logs of the part it names, then run the checks again.",
  });

/**
 * The first that settles: the check, or `unknown` after its time limit. A throw is a failure with its cause; one that
 * only says that nobody answered in time is `unknown`, too.
 */
async function outcomeOf(definition: CheckDefinition, timeout: number): Promise<Outcome> {
  const controller = new AbortController();
  const began = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => {
      controller.abort();
      resolve(noAnswer(definition, timeout));
    }, timeout);
  });
  try {
    return await Promise.race([definition.run(controller.signal), late]);
  } catch (error) {
    const problem = toProblem(error);
    if (problem.code === "conat.timeout")
      return noAnswer(definition, Math.round((performance.now() - began) / 1000) * 1000);
    if (problem.code !== "internal") return fail(null, problem);
    return unknown({
      code: `${definition.code}-error`,
      title: `${definition.name}: the check itself failed`,
      why: messageOf(error),
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Runs all checks at once and counts. Healthy: nothing failed and nothing is unknown. */
export async function runChecks(
  definitions: CheckDefinition[],
  options: { now?: () => Date; timeout?: number } = {},
): Promise<DoctorReport> {
  const now = options.now ?? (() => new Date());
  const ranAt = now().toISOString();
  const checks = await Promise.all(
    definitions.map(async (definition): Promise<Check> => {
      const began = performance.now();
      const outcome = await outcomeOf(
        definition,
        options.timeout ?? definition.timeoutMs ?? CHECK_TIMEOUT_MS,
      );
      return {
        code: definition.code,
        group: definition.group,
        name: definition.name,
        ...outcome,
        ...(definition.host_id === undefined ? {} : { host_id: definition.host_id }),
        checked_at: now().toISOString(),
        took_ms: Math.round(performance.now() - began),
      };
    }),
  );
  const counts = { ok: 0, warn: 0, fail: 0, unknown: 0, skipped: 0 };
  for (const check of checks) counts[check.status] += 1;
  return { healthy: counts.fail === 0 && counts.unknown === 0, ran_at: ranAt, counts, checks };
}
