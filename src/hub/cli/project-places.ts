/** `cocalc-hub project move|clone|archive|unarchive|copy`: projects that change their place. */
import type { Operation } from "../../contract/api.ts";
import { command, common, print } from "../../core/cli.ts";
import { access } from "./client.ts";
import { watch } from "./follow.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const otherSystem = {
  "other-system": {
    type: "boolean",
    description: "Of a project on the image system: a host with other programs is right",
  },
} as const;
const told = (one: Operation) =>
  one.steps.map((step) => `${step.label}: ${step.detail ?? step.state}`).join("\n");

export const move = command({
  meta: { name: "move", description: "Moves a project to another host, by way of a proven backup" },
  args: {
    ...common,
    project,
    to: { type: "string", required: true, description: "Host id or name" },
    "from-backup": {
      type: "boolean",
      description: "Move what the last proven backup has, where its host is away",
    },
    ...otherSystem,
  },
  async run({ args }) {
    const { api } = access(args);
    const host = await api.hosts.get(args.to);
    const started = await api.backups.move(args.project, host.host_id, {
      fromBackup: args["from-backup"] === true,
      otherSystem: args["other-system"] === true,
    });
    print(args, await watch(api, started), told);
  },
});

export const clone = command({
  meta: { name: "clone", description: "Makes another project with the same files; prints its id" },
  args: {
    ...common,
    project,
    name: { type: "string", required: true, description: "Its name" },
    to: { type: "string", description: "Host id or name (default: the same)" },
    ...otherSystem,
  },
  async run({ args }) {
    const { api } = access(args);
    const host = args.to === undefined ? undefined : (await api.hosts.get(args.to)).host_id;
    const to = { host, otherSystem: args["other-system"] };
    print(
      args,
      await watch(api, await api.backups.clone(args.project, args.name, to)),
      (one) => one.subject.id,
    );
  },
});

export const archive = command({
  meta: { name: "archive", description: "Keeps a project in the repository alone, and frees its host" },
  args: { ...common, project },
  async run({ args }) {
    const { api } = access(args);
    print(args, await watch(api, await api.backups.archive(args.project)), told);
  },
});

export const unarchive = command({
  meta: { name: "unarchive", description: "Brings an archived project back to a host" },
  args: { ...common, project, to: { type: "string", description: "Host id or name" }, ...otherSystem },
  async run({ args }) {
    const { api } = access(args);
    const host = args.to === undefined ? undefined : (await api.hosts.get(args.to)).host_id;
    const to = { host, otherSystem: args["other-system"] };
    print(args, await watch(api, await api.backups.unarchive(args.project, to)), told);
  },
});

export const copy = command({
  meta: { name: "copy", description: "Copies files of another project into a new folder of this one" },
  args: {
    ...common,
    project,
    from: { type: "string", required: true, description: "The other project's id or name" },
    path: {
      type: "string",
      required: true,
      description: "File or folder below its home; several with commas",
    },
  },
  async run({ args }) {
    const { api } = access(args);
    const paths = args.path.split(",").filter((one) => one !== "");
    print(args, await watch(api, await api.backups.copy(args.project, args.from, paths)), told);
  },
});
