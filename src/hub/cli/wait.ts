import type { Operation } from "../../contract/api.ts";
import type { ApiClient } from "../../contract/client.ts";
import { CodedError, EX } from "../../core/errors.ts";

const POLL_MS = 150;

/** Until the operation ended; what made it fail is thrown. */
export async function waitFor(
  api: ApiClient,
  started: Operation,
  onLook: (operation: Operation) => void = () => {},
): Promise<Operation> {
  let operation = started;
  while (operation.state === "pending" || operation.state === "running") {
    await Bun.sleep(POLL_MS);
    operation = await api.operations.get(operation.operation_id);
    onLook(operation);
  }
  if (operation.state === "done") return operation;
  throw new CodedError({
    ...(operation.problem ?? { code: "operation.failed", title: `${operation.kind} ${operation.state}` }),
    exit: EX.SOFTWARE,
  });
}
