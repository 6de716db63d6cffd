/** The hub's subcommands, each loaded when it is asked for. */
import { command } from "../core/cli.ts";

export const root = command({
  meta: { name: "cocalc-hub", description: "CoCalc Launchpad's hub" },
  subCommands: {
    up: () => import("../hub/up/command.ts").then((m) => m.default),
    plus: () => import("./plus.ts").then((m) => m.default),
    // Plus's project is a child of this very binary.
    agent: () => import("../agent/command.ts").then((m) => m.default),
    serve: () => import("../hub/serve.ts").then((m) => m.default),
    sshd: () => import("../hub/sshd/command.ts").then((m) => m.default),
    "pair-handshake": () => import("../hub/pairing/command.ts").then((m) => m.default),
    setup: () => import("../hub/cli/setup.ts").then((m) => m.default),
    upgrade: () => import("../core/upgrade-command.ts").then((m) => m.default),
    doctor: () => import("../hub/cli/doctor.ts").then((m) => m.default),
    config: () => import("../hub/cli/config.ts").then((m) => m.default),
    settings: () => import("../hub/cli/settings.ts").then((m) => m.default),
    user: () => import("../hub/cli/user.ts").then((m) => m.default),
    "ssh-key": () => import("../hub/cli/ssh-key.ts").then((m) => m.default),
    "ssh-config": () => import("../hub/cli/ssh-config.ts").then((m) => m.default),
    project: () => import("../hub/cli/project.ts").then((m) => m.default),
    app: () => import("../hub/cli/app.ts").then((m) => m.default),
    link: () => import("../hub/cli/link.ts").then((m) => m.default),
    snapshot: () => import("../hub/cli/snapshot.ts").then((m) => m.default),
    host: () => import("../hub/cli/host.ts").then((m) => m.default),
    vm: () => import("../hub/cli/vm.ts").then((m) => m.default),
    image: () => import("../hub/cli/image.ts").then((m) => m.default),
    operation: () => import("../hub/cli/operation.ts").then((m) => m.default),
    recover: () => import("../hub/backups/recover-command.ts").then((m) => m.default),
    backup: () => import("../hub/cli/backup.ts").then((m) => m.default),
    audit: () => import("../hub/cli/audit.ts").then((m) => m.default),
  },
});
