/**
 * Tells the hub over the control link what the connector meets: a tunnel that is refused cannot say so itself, and
 * the person who can help looks at the hub.
 */
import { readFileSync } from "node:fs";
import type { z } from "zod";
import type { hubVerbs } from "../../contract/host-control.ts";
import { problemSchema } from "../../contract/problem.ts";
import { logger } from "../../core/log.ts";
import type { ConnectorState } from "../connector/command.ts";

const log = logger("link");
const POLL_MS = 1_000;

type Step = z.input<typeof hubVerbs.step>;

export function readConnectorState(path: string): ConnectorState | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ConnectorState;
  } catch {
    return undefined; // the connector never ran
  }
}

/** What to tell of this state; nothing while it only connects. Pure. */
export function stepOf(state: Pick<ConnectorState, "state" | "problem" | "hub_key">): Step | undefined {
  if (state.state === "up") return { name: "tunnel-up", state: "done" };
  if (state.state !== "down" || state.problem === null) return undefined;
  return {
    name: "tunnel-up",
    state: "failed",
    problem: problemSchema.parse(state.problem),
    hub_key: state.hub_key ?? undefined,
  };
}

/** Tells each change once for each connection; the hub forgets at its own restart. Returns how to stop. */
export function watchTunnel(options: {
  path: string;
  connected(): boolean;
  tell(step: Step): Promise<void>;
}): () => void {
  let told = "";
  const timer = setInterval(() => {
    if (!options.connected()) {
      told = "";
      return;
    }
    const state = readConnectorState(options.path);
    const step = state && stepOf(state);
    const text = JSON.stringify(step);
    if (step === undefined || text === told) return;
    told = text;
    options.tell(step).catch((error: unknown) => {
      told = "";
      log.warn("the state of the tunnel could not be told", { why: String(error) });
    });
  }, POLL_MS);
  return () => clearInterval(timer);
}
