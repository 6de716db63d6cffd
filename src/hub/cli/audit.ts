import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";

export default command({
  meta: { name: "audit", description: "Who did what" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Newest first" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.audit(), (all) =>
          table(
            ["AT", "WHO", "WHAT", "SUBJECT", "DETAIL"],
            all.map((one) => [one.at, one.actor, one.action, one.subject, JSON.stringify(one.detail)]),
          ),
        );
      },
    }),
  },
});
