/** `cocalc-project-host units`: writes the systemd units; the installer and the image call it. */
import { join } from "node:path";
import { command, common, print } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { type Role, renderUnits } from "./render.ts";

export default command({
  meta: { name: "units", description: "Writes the systemd units of this machine's services" },
  args: {
    json: common.json,
    dir: { type: "string", required: true, valueHint: "DIR", description: "Where the units go" },
    roles: {
      type: "enum",
      options: ["hub", "host", "hub,host"],
      default: "hub,host",
      description: "What this machine is",
    },
    "hub-user": { type: "string", default: "cocalc", description: "Runs hub and sshd" },
    "host-user": { type: "string", default: "cocalc-host", description: "Runs project host and connector" },
    "hub-root": { type: "string", default: "/var/lib/cocalc/.local/share/cocalc", valueHint: "DIR" },
    "host-root": { type: "string", default: "/var/lib/cocalc-host/.local/share/cocalc", valueHint: "DIR" },
    "helper-root": { type: "string", default: "/usr/local/lib/cocalc", valueHint: "DIR" },
    "base-port": { type: "string", description: "HTTPS port; the others follow from it (default 9200)" },
    product: { type: "enum", options: ["plus", "launchpad", "rocket"], description: "What the hub is" },
    "public-host": { type: "string", description: "Name by which people reach the hub" },
  },
  run({ args }) {
    const { config } = loadConfig(
      {},
      { base_port: args["base-port"], product: args.product, public_host: args["public-host"] },
    );
    const units = renderUnits({
      roles: args.roles.split(",") as Role[],
      hubUser: args["hub-user"],
      hostUser: args["host-user"],
      hubRoot: args["hub-root"],
      hostRoot: args["host-root"],
      helperRoot: args["helper-root"],
      basePort: config.base_port,
      product: config.product,
      publicHost: config.public_host ?? undefined,
    });
    for (const { name, text } of units) writeFileAtomic(join(args.dir, name), text, 0o644);
    print(
      args,
      units.map(({ name }) => name),
      (names) => names.join("\n"),
    );
  },
});
