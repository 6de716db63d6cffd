/** `cocalc-hub host found|adopt|wipe`: what a machine that was a host before brings along. */
import { FOUND_WORDS } from "../../contract/api-found.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";
import { confirmTyped } from "./confirm.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const project = { type: "positional", required: true, description: "The project's id" } as const;

export const found = command({
  meta: { name: "found", description: "Projects on a host's disk that it does not run for this hub" },
  args: { ...common, host },
  async run({ args }) {
    print(args, await access(args).api.found.list(args.host), (all) =>
      [
        `pool ${all.pool ?? "none: a plain directory"}`,
        table(
          ["ID", "NAME", "IMAGE", "WHAT IT IS"],
          all.projects.map((one) => [one.project_id, one.name, one.image, FOUND_WORDS[one.state].is]),
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
  meta: {
    name: "wipe",
    description: "Deletes a project that was found from that disk, or with --all each of them; no undo",
  },
  args: {
    ...common,
    host,
    project: { ...project, required: false },
    all: { type: "boolean", description: "All that host found lists, after saying what is lost of each" },
    name: {
      type: "string",
      description: "The project's name (with --all: the host's), to be sure; asked for at a terminal",
    },
  },
  async run({ args }) {
    const { api } = access(args);
    if ((args.project === undefined) === (args.all !== true)) {
      throw new CodedError({
        code: "cli.missing-argument",
        title: "cocalc-hub host wipe needs either a project or --all",
        fix: "See cocalc-hub host found HOST for what is there.",
        exit: EX.USAGE,
      });
    }
    const { name, host_id } = await api.hosts.get(args.host);
    const { projects } = await api.found.list(host_id);
    const going = args.all ? projects : projects.filter((one) => one.project_id === args.project);
    const [first] = going;
    if (first === undefined) {
      if (!args.all) throw notFound(args.project ?? "", name);
      print(args, { wiped: [] }, () => "nothing was found on its disk");
      return;
    }
    for (const one of going) {
      const { is, lost } = FOUND_WORDS[one.state];
      process.stderr.write(`${one.project_id}  ${one.name}: ${is}. ${lost}\n`);
    }
    const many = going.length === 1 ? "1 project" : `${going.length} projects`;
    const what = `Files, snapshots and what was installed of ${many} are deleted from ${name}; there is no undo.`;
    confirmTyped(what, args.all ? name : first.name, args.name);
    for (const one of going) {
      await api.found.wipe(host_id, one.project_id, one.name);
    }
    print(args, { wiped: going.map((one) => one.project_id) }, ({ wiped }) => `wiped ${wiped.join(" ")}`);
  },
});

function notFound(project: string, host: string): CodedError {
  return new CodedError({
    code: "project.not-found",
    title: `There is no ${project} among what was found on ${host}`,
    fix: "Give the whole id, as cocalc-hub host found lists it.",
    status: 404,
    exit: EX.NOINPUT,
  });
}
