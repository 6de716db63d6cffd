/** `cocalc-hub project share …`: who is in a project, and as what. */
import type { ApiClient } from "../../contract/client.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const who = {
  type: "positional",
  required: true,
  description: "E-mail address, name or account id",
} as const;
const role = {
  type: "enum" as const,
  options: ["collaborator", "viewer"],
  default: "collaborator",
  description: "collaborator (default): files, terminals, apps; viewer: reads what is marked",
};
const given = (text: unknown) => (text === "viewer" ? "viewer" : "collaborator");

async function memberOf(api: ApiClient, id: string, text: string): Promise<string> {
  const people = await api.people.list(id);
  const found = people.filter((one) => [one.account_id, one.email, one.name].includes(text));
  if (found.length === 1 && found[0]) return found[0].account_id;
  throw new CodedError({
    code: "people.not-a-member",
    title: found.length > 1 ? `Several members are called ${text}` : `${text} is not in this project`,
    fix: "See who is, and use the e-mail address.",
    command: `cocalc-hub project share list ${id}`,
    exit: EX.NOINPUT,
  });
}

export default command({
  meta: { name: "share", description: "Who is in a project, and what viewers see of it" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Who is in it" },
      args: { ...common, project },
      async run({ args }) {
        print(args, await access(args).api.people.list(args.project), (all) =>
          table(
            ["ID", "NAME", "EMAIL", "ROLE"],
            all.map((one) => [one.account_id, one.name, one.email ?? "", one.role]),
          ),
        );
      },
    }),
    add: command({
      meta: { name: "add", description: "Adds somebody who has an account, or changes the role" },
      args: { ...common, project, who, role },
      async run({ args }) {
        const added = await access(args).api.people.add(args.project, args.who, given(args.role));
        print(args, added, (one) => `${one.name}: ${one.role}`);
      },
    }),
    remove: command({
      meta: { name: "remove", description: "Removes somebody; what they have open ends at once" },
      args: { ...common, project, who },
      async run({ args }) {
        const { api } = access(args);
        await api.people.remove(args.project, await memberOf(api, args.project, args.who));
        print(args, { removed: args.who }, (one) => `removed ${one.removed}`);
      },
    }),
    owner: command({
      meta: { name: "owner", description: "Gives the project to another member" },
      args: { ...common, project, who },
      async run({ args }) {
        const { api } = access(args);
        await api.people.transfer(args.project, await memberOf(api, args.project, args.who));
        print(args, { owner: args.who }, (one) => `${one.owner} owns it now`);
      },
    }),
    link: command({
      meta: { name: "link", description: "Makes a link that lets one person in" },
      args: { ...common, project, role },
      async run({ args }) {
        const made = await access(args).api.people.invite(args.project, given(args.role));
        print(args, made, (one) => one.url);
      },
    }),
    view: command({
      meta: { name: "view", description: "What viewers see; with flags, sets it" },
      args: {
        ...common,
        project,
        paths: { type: "string", valueHint: "A,B", description: "Folders and files, from its home folder" },
        ports: { type: "string", valueHint: "N,M", description: "Web servers, by port" },
        apps: { type: "string", valueHint: "A,B", description: "Managed apps, by name" },
      },
      async run({ args }) {
        const { api } = access(args);
        const list = (text: string | undefined) =>
          text
            ?.split(",")
            .map((one) => one.trim())
            .filter(Boolean);
        const now = await api.people.shares(args.project);
        const [paths, ports, apps] = [list(args.paths), list(args.ports)?.map(Number), list(args.apps)];
        const shares =
          paths || ports || apps
            ? await api.people.setShares(args.project, {
                paths: paths ?? now.paths,
                ports: ports ?? now.ports,
                apps: apps ?? now.apps,
              })
            : now;
        print(args, shares, (one) =>
          [
            ...one.paths,
            ...one.ports.map((port) => `port ${port}`),
            ...one.apps.map((app) => `app ${app}`),
          ].join("\n"),
        );
      },
    }),
  },
});
