/** The project host's door: subcommands, each loaded when it is asked for. */
import { command, runCli } from "../core/cli.ts";
import { versionInfo } from "../core/version.ts";

const root = command({
  meta: { name: "cocalc-project-host", description: "Runs projects for a CoCalc Launchpad hub" },
  subCommands: {
    up: () => import("../host/up/command.ts").then((m) => m.default),
    serve: () => import("../host/serve.ts").then((m) => m.default),
    connector: () => import("../host/connector/command.ts").then((m) => m.default),
    agent: () => import("../agent/command.ts").then((m) => m.default),
    helper: () => import("../host/helper/command.ts").then((m) => m.default),
    join: () => import("../host/join/command.ts").then((m) => m.default),
    "make-base-image": () => import("../host/images/command.ts").then((m) => m.default),
    status: () => import("../host/status.ts").then((m) => m.default),
    "stop-all": () => import("../host/stop-all.ts").then((m) => m.default),
  },
});

process.exit(await runCli(root, process.argv.slice(2), versionInfo()));
