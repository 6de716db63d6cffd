/** `cocalc-project-host snapshot run`: what a timer calls, and what a person can. */
import { command, common, print } from "../../core/cli.ts";
import { EX } from "../../core/errors.ts";
import { hostPaths } from "../../core/paths.ts";
import { helperClient } from "../helper/client.ts";
import { serviceDataDir } from "../service-dir.ts";
import { runSchedule } from "./schedule.ts";

export default command({
  meta: { name: "snapshot", description: "Snapshots of this host's projects" },
  subCommands: {
    run: command({
      meta: {
        name: "run",
        description: "Takes a snapshot of each project that changed, and removes those that are too old",
      },
      args: {
        ...common,
        due: { type: "boolean", description: "Only of those whose last one is a quarter of an hour old" },
      },
      async run({ args }) {
        const helper = helperClient(hostPaths(args["data-dir"] ?? serviceDataDir()).helperSocket);
        const round = await runSchedule(helper, Date.now(), { at_once: args.due !== true });
        print(
          args,
          round,
          ({ looked, taken, removed, failed }) =>
            `${looked} projects looked at: ${taken} snapshots taken, ${removed} removed, ${failed} failed`,
        );
        if (round.failed > 0) process.exitCode = EX.TEMPFAIL;
      },
    }),
  },
});
