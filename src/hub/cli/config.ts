import { command, common, print, table } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";

export default command({
  meta: { name: "config", description: "What is configured, and where it comes from" },
  subCommands: {
    explain: command({
      meta: { name: "explain", description: "Each value with its source" },
      args: common,
      run({ args }) {
        const { entries, warnings } = loadConfig(process.env, { data_dir: args["data-dir"] });
        for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
        print(args, entries, (all) =>
          table(
            ["KEY", "VALUE", "SOURCE", "VARIABLE", "MEANING"],
            all.map((one) => [one.key, String(one.value ?? ""), one.source, one.env, one.description]),
          ),
        );
      },
    }),
  },
});
