/** Virtual machines of this one, as its hub asks about them. */
import { toProblem } from "../../core/errors.ts";
import type { HostCore } from "../core.ts";

export function createVms({ helper }: Pick<HostCore, "helper">) {
  return {
    handlers: {
      "vm.list": async () => {
        try {
          return { ...(await helper.call("vm.list", {})), problem: null };
        } catch (error) {
          return { vms: [], problem: toProblem(error) };
        }
      },
    },
  };
}
