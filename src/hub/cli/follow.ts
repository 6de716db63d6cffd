/** Waits for an operation and says its steps on standard error as they come; the result is for standard output. */
import type { Operation, Step } from "../../contract/api.ts";
import type { ApiClient } from "../../contract/client.ts";
import { waitFor } from "./wait.ts";

const lineOf = (step: Step) =>
  `${step.state.padEnd(8)} ${step.label}${step.detail ? ` (${step.detail})` : ""}`;

export async function follow(api: ApiClient, started: Operation): Promise<Operation> {
  const said = new Set<string>();
  return await waitFor(api, started, (operation) => {
    for (const step of operation.steps) {
      if (step.state === "pending") continue;
      const line = lineOf(step);
      if (said.has(line)) continue;
      said.add(line);
      process.stderr.write(`${line}\n`);
    }
  });
}

const SIGINT = 2;

/** Waits, and shows on a terminal how far the step that runs has come, in one line; elsewhere nothing. */
export async function watch(api: ApiClient, started: Operation): Promise<Operation> {
  if (!process.stderr.isTTY) return await waitFor(api, started);
  const width = process.stderr.columns || 80;
  const clear = "\r\x1b[2K";
  let shown = "";
  const leave = () => {
    process.stderr.write(
      `${clear}It goes on. To end it: cocalc-hub operation cancel ${started.operation_id}\n`,
    );
    process.exit(128 + SIGINT);
  };
  process.once("SIGINT", leave);
  try {
    return await waitFor(api, started, ({ steps }) => {
      const step = steps.find((one) => one.state === "running");
      const line = step ? lineOf(step).slice(0, width - 1) : shown;
      if (line !== shown) process.stderr.write(`${clear}${line}`);
      shown = line;
    });
  } finally {
    process.off("SIGINT", leave);
    if (shown !== "") process.stderr.write(clear);
  }
}
