import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import { access } from "./client.ts";

const key = { type: "positional", required: true, description: "The setting's key" } as const;

export default command({
  meta: { name: "settings", description: "The hub's settings" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "All settings with their sources" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.settings.list(), (all) =>
          table(
            ["KEY", "VALUE", "SOURCE", "MEANING"],
            all.map((one) => [one.key, String(one.value ?? ""), one.source, one.description]),
          ),
        );
      },
    }),
    get: command({
      meta: { name: "get", description: "One setting" },
      args: { ...common, key },
      async run({ args }) {
        const all = await access(args).api.settings.list();
        const found = all.find((one) => one.key === args.key);
        if (!found) {
          const near = nearest(
            args.key,
            all.map((one) => one.key),
          );
          throw new CodedError({
            code: "settings.unknown",
            title: `There is no setting ${args.key}`,
            fix: near ? `Did you mean ${near}?` : "See: cocalc-hub settings list",
            exit: EX.NOINPUT,
          });
        }
        print(args, found, (one) => String(one.value ?? ""));
      },
    }),
    set: command({
      meta: { name: "set", description: "Changes one setting" },
      args: { ...common, key, value: { type: "positional", required: true, description: "Its new value" } },
      async run({ args }) {
        const all = await access(args).api.settings.set({ [args.key]: args.value });
        print(args, all.find((one) => one.key === args.key) ?? null, (one) => `${one?.key} = ${one?.value}`);
      },
    }),
  },
});
