/** The hub's door: subcommands, each loaded when it is asked for. */
import { command, runCli } from "../core/cli.ts";
import { versionInfo } from "../core/version.ts";

const root = command({
  meta: { name: "cocalc-hub", description: "CoCalc Launchpad's hub" },
  subCommands: {
    up: () => import("../hub/up/command.ts").then((m) => m.default),
    serve: () => import("../hub/serve.ts").then((m) => m.default),
    sshd: () => import("../hub/sshd/command.ts").then((m) => m.default),
    "pair-handshake": () => import("../hub/pairing/command.ts").then((m) => m.default),
    setup: () => import("../hub/cli/setup.ts").then((m) => m.default),
    doctor: () => import("../hub/cli/doctor.ts").then((m) => m.default),
    config: () => import("../hub/cli/config.ts").then((m) => m.default),
    settings: () => import("../hub/cli/settings.ts").then((m) => m.default),
    user: () => import("../hub/cli/user.ts").then((m) => m.default),
    project: () => import("../hub/cli/project.ts").then((m) => m.default),
    host: () => import("../hub/cli/host.ts").then((m) => m.default),
    image: () => import("../hub/cli/image.ts").then((m) => m.default),
    operation: () => import("../hub/cli/operation.ts").then((m) => m.default),
    audit: () => import("../hub/cli/audit.ts").then((m) => m.default),
  },
});

process.exit(await runCli(root, process.argv.slice(2), versionInfo()));
