/** One operation as a part of another: asked for as its own, in its own lane; its end is waited for. */
import { CodedError, type ProblemDetails } from "../../core/errors.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import type { OperationContext, Operations } from "./operations.ts";

const POLL_MS = 300;

/** What went wrong, or null. Cancelled together with the one that it is a part of. Error: `operation.cancelled`. */
export async function runFor(
  operations: Operations,
  context: OperationContext,
  kind: string,
  project: { project_id: string; name: string },
  data: unknown,
): Promise<{ operation_id: string; problem: ProblemDetails | null }> {
  const { operation_id } = await operations.start(
    LOCAL_ADMIN,
    kind,
    { kind: "project", id: project.project_id, name: project.name },
    data,
  );
  for (;;) {
    const now = await operations.get(LOCAL_ADMIN, operation_id);
    if (now.state === "done") return { operation_id, problem: null };
    if (now.state === "failed" || now.state === "cancelled") {
      const problem = now.problem ?? { code: "operation.cancelled", title: "It was cancelled" };
      return { operation_id, problem };
    }
    if (context.signal.aborted) {
      await operations.cancel(LOCAL_ADMIN, operation_id);
      throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
    }
    await Bun.sleep(POLL_MS);
  }
}
