/** The project host's subcommands, each loaded when it is asked for. */
import { command } from "../core/cli.ts";

export const root = command({
  meta: { name: "cocalc-project-host", description: "Runs projects for a CoCalc Launchpad hub" },
  subCommands: {
    up: () => import("../host/up/command.ts").then((m) => m.default),
    serve: () => import("../host/serve.ts").then((m) => m.default),
    "ssh-gateway": () => import("../host/ssh-gateway/command.ts").then((m) => m.default),
    connector: () => import("../host/connector/command.ts").then((m) => m.default),
    agent: () => import("../agent/command.ts").then((m) => m.default),
    helper: () => import("../host/helper/command.ts").then((m) => m.default),
    join: () => import("../host/join/command.ts").then((m) => m.default),
    deprovision: () => import("../host/machine/deprovision-command.ts").then((m) => m.default),
    "pair-ssh": () => import("../host/join/command.ts").then((m) => m.pairSsh),
    vm: () => import("../host/vms/commands.ts").then((m) => m.default),
    "import-image": () => import("../host/images/import-command.ts").then((m) => m.default),
    "make-base-image": () => import("../host/images/command.ts").then((m) => m.default),
    snapshot: () => import("../host/snapshots/command.ts").then((m) => m.default),
    storage: () => import("../host/storage/commands/index.ts").then((m) => m.default),
    "apply-upgrade": () => import("../host/machine/apply-upgrade-command.ts").then((m) => m.default),
    upgrade: () => import("../core/upgrade-command.ts").then((m) => m.default),
    units: () => import("../host/units/command.ts").then((m) => m.default),
    status: () => import("../host/status.ts").then((m) => m.default),
    "stop-all": () => import("../host/stop-all.ts").then((m) => m.default),
    "backup-job": () => import("../host/backups/job/command.ts").then((m) => m.default),
  },
});
