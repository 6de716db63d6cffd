/** Waits for an operation and says its steps on standard error as they come; the result is for standard output. */
import type { Operation } from "../../contract/api.ts";
import type { ApiClient } from "../../contract/client.ts";
import { waitFor } from "./wait.ts";

export async function follow(api: ApiClient, started: Operation): Promise<Operation> {
  const said = new Set<string>();
  return await waitFor(api, started, (operation) => {
    for (const step of operation.steps) {
      if (step.state === "pending") continue;
      const line = `${step.state.padEnd(8)} ${step.label}${step.detail ? ` (${step.detail})` : ""}`;
      if (said.has(line)) continue;
      said.add(line);
      process.stderr.write(`${line}\n`);
    }
  });
}
