import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";

export default command({
  meta: { name: "image", description: "Root file systems of projects" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Images the hub hands out" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.images(), (all) =>
          table(
            ["IMAGE", "SIZE", "DIGEST"],
            all.map((one) => [one.image, `${(one.bytes / 2 ** 20).toFixed(0)} MiB`, one.digest]),
          ),
        );
      },
    }),
  },
});
