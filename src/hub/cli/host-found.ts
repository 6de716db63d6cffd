/** `cocalc-hub host found|adopt|wipe`: what a machine that was a host before brings along. */
import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const project = { type: "positional", required: true, description: "The project's id" } as const;
const WORDS = {
  unknown: "this hub never heard of it",
  homeless: "this hub's; its host is gone",
  elsewhere: "an old copy: it lives elsewhere",
};

export const found = command({
  meta: { name: "found", description: "Projects on a host's disk that it does not run for this hub" },
  args: { ...common, host },
  async run({ args }) {
    print(args, await access(args).api.found.list(args.host), (all) =>
      [
        `pool ${all.pool ?? "none: a plain directory"}`,
        table(
          ["ID", "NAME", "IMAGE", "WHAT IT IS"],
          all.projects.map((one) => [one.project_id, one.name, one.image, WORDS[one.state]]),
        ),
      ].join("\n"),
    );
  },
});

export const adopt = command({
  meta: {
    name: "adopt",
    description: "Makes a project that was found one of this hub's, with the files there",
  },
  args: { ...common, host, project },
  async run({ args }) {
    print(args, await access(args).api.found.adopt(args.host, args.project), (one) => one.project_id);
  },
});

export const wipe = command({
  meta: { name: "wipe", description: "Deletes a project that was found from that disk" },
  args: {
    ...common,
    host,
    project,
    name: { type: "string", required: true, description: "Its name, to be sure: this cannot be undone" },
  },
  async run({ args }) {
    await access(args).api.found.wipe(args.host, args.project, args.name);
    print(args, { wiped: args.project }, (one) => `wiped ${one.wiped}`);
  },
});
