/** The machine itself, as its hub asks about it. */
import { dirname } from "node:path";
import type { Leaving } from "../../contract/host-verbs/machine.ts";
import type { HostCore } from "../core.ts";
import { projectRecords } from "../projects/record.ts";
import { isInstalled, leavingPlan } from "./leave-plan.ts";

export function createMachine(host: HostCore) {
  async function plan(keepData: boolean): Promise<Leaving> {
    // Whoever takes it apart is the helper.
    const { kind } = await host.helper.call("hello", {});
    return leavingPlan(host.paths, {
      keepData,
      installed: isInstalled(dirname(host.paths.dir)),
      hostId: host.state.host_id,
      root: kind === "root",
    });
  }
  return {
    handlers: {
      "machine.found": async () => ({
        pool: (await host.helper.call("storage.facts", {})).uuid,
        projects: projectRecords(host.paths.projects)
          .load()
          .map(({ spec }) => ({
            project_id: spec.project_id,
            name: spec.name,
            image: spec.image,
            limits: spec.limits,
            generation: spec.generation,
          })),
      }),
      "machine.leaving": ({ keep_data }: { keep_data: boolean }) => plan(keep_data),
      "machine.leave": async ({ keep_data }: { keep_data: boolean }) => {
        const told = await plan(keep_data);
        await host.helper.call("machine.leave", { keep_data });
        return told;
      },
    },
  };
}
