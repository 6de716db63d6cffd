/** `cocalc-project-host stop-all`: ends every project of this instance; what is intended stays as it is. */
import { command, common, print } from "../core/cli.ts";
import { hostPaths } from "../core/paths.ts";
import { helperClient } from "./helper/client.ts";
import { plainRuntime, runtimeFlag } from "./process/plain.ts";

export default command({
  meta: {
    name: "stop-all",
    description: "Stops all projects on this machine; they start again with the daemon",
  },
  args: { ...common, runtime: runtimeFlag },
  async run({ args }) {
    const paths = hostPaths(args["data-dir"]);
    const helper = args.runtime === "process" ? plainRuntime(paths) : helperClient(paths.helperSocket);
    const { running } = await helper.call("project.list", {});
    await Promise.all(running.map(({ project_id }) => helper.call("project.stop", { project_id })));
    const { removed } = await helper.call("cleanup", {});
    print(args, { stopped: running.length, removed }, (value) => `stopped ${value.stopped} projects`);
  },
});
