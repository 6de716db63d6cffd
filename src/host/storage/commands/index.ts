/** `cocalc-project-host storage …`: where this host keeps its projects. */
import { command } from "../../../core/cli.ts";

export default command({
  meta: {
    name: "storage",
    description: "Where this host keeps its projects: plan, make, mount, grow, look after",
  },
  subCommands: {
    plan: () => import("./plan.ts").then((m) => m.default),
    init: () => import("./init.ts").then((m) => m.default),
    mount: () => import("./mount.ts").then((m) => m.default),
    unmount: () => import("./unmount.ts").then((m) => m.default),
    grow: () => import("./grow.ts").then((m) => m.default),
    status: () => import("./status.ts").then((m) => m.default),
    scrub: () => import("./scrub.ts").then((m) => m.default),
    balance: () => import("./balance.ts").then((m) => m.default),
  },
});
