/** The machine itself, as its hub asks about it. */
import { dirname } from "node:path";
import { DEFAULT_LIMITS } from "../../contract/api.ts";
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
      "machine.found": async () => {
        const told = projectRecords(host.paths.projects)
          .load()
          .map(({ spec, digest }) => ({
            project_id: spec.project_id,
            name: spec.name,
            image: spec.image,
            digest,
            limits: spec.limits,
            generation: spec.generation,
          }));
        const ids = new Set(told.map(({ project_id }) => project_id));
        const { projects } = await host.helper.call("project.known", {});
        const bare = projects
          .filter(({ project_id }) => !ids.has(project_id))
          .map(({ project_id, digest }) => ({
            project_id,
            name: `project ${project_id.slice(0, 8)}`,
            image: "",
            digest,
            limits: DEFAULT_LIMITS,
            generation: 0,
          }));
        return {
          pool: (await host.helper.call("storage.facts", {})).uuid,
          projects: [...told, ...bare],
        };
      },
      "machine.leaving": ({ keep_data }: { keep_data: boolean }) => plan(keep_data),
      "machine.leave": async ({ keep_data }: { keep_data: boolean }) => {
        const told = await plan(keep_data);
        await host.helper.call("machine.leave", { keep_data });
        return told;
      },
    },
  };
}
