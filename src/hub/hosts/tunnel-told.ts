/** What hosts say of their own tunnels: one that is refused cannot say so itself. Kept while the hub runs. */
import type { z } from "zod";
import type { hubVerbs } from "../../contract/host-control.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { hubKeyChanged } from "./changed-key.ts";
import type { HostStore } from "./store.ts";

type Step = z.infer<typeof hubVerbs.step>;

export function createTunnelTold(deps: { hosts: HostStore; hubKey(): string }) {
  const told = new Map<string, ProblemDetails>();
  return {
    /** Keeps what a step says of the tunnel; returns the step as people shall see it. */
    async take(hostId: string, step: Step): Promise<Omit<Step, "hub_key">> {
      const { hub_key, ...rest } = step;
      if (step.name !== "tunnel-up") return rest;
      const met = step.state === "failed" ? (hub_key ?? null) : null;
      deps.hosts.setMetHubKey(hostId, met);
      const name = (await deps.hosts.row(hostId))?.name ?? hostId;
      const problem = met ? hubKeyChanged(name, met, deps.hubKey()) : rest.problem;
      if (step.state === "failed" && problem) told.set(hostId, problem);
      else told.delete(hostId);
      return problem ? { ...rest, problem } : rest;
    },
    of: (hostId: string): ProblemDetails | undefined => told.get(hostId),
  };
}
