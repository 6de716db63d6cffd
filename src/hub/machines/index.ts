/** Machines that the hub signs in to, as a part of it. */
import { machineRoutes } from "../api/machine-routes.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { registerJoin } from "./join.ts";
import { createMachines } from "./machines.ts";

export function createMachinesFeature(core: HubCore): HubFeature {
  const machines = createMachines(core);
  registerJoin(core, machines);
  return {
    routes: (api) => machineRoutes(api, machines),
    start: machines.start,
    close: async () => machines.close(),
  };
}
