/** `cocalc-project-host helper`: the one root process. Takes nothing from its environment. */
import { command, common } from "../../core/cli.ts";
import { serviceNotifier } from "../../core/notify.ts";

export default command({
  meta: {
    name: "helper",
    description: "Do what needs root for the project host (mounts, networks, containers)",
  },
  args: {
    "data-dir": common["data-dir"],
    "agent-binary": {
      type: "string",
      valueHint: "FILE",
      description: "The binary that holds the agent (default: this one)",
    },
  },
  async run({ args }) {
    const { startHelper } = await import("./helper.ts");
    const helper = await startHelper({
      ...(args["data-dir"] === undefined ? {} : { dataDir: args["data-dir"] }),
      binary: args["agent-binary"] ?? process.execPath,
    });
    serviceNotifier().ready("answers the project host");
    await new Promise<void>((resolve) => {
      process.once("SIGTERM", resolve);
      process.once("SIGINT", resolve);
    });
    serviceNotifier().stopping();
    // Projects live on: only stop-all ends them.
    helper.close();
    process.exit(0);
  },
});
