import type { Project } from "../../contract/api.ts";
import { afterDashes, command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";
import { confirmByName, yesFlag } from "./confirm.ts";

import { diskArg, diskLimit } from "./project-disk.ts";
import { archive, clone, copy, move, unarchive } from "./project-places.ts";
import { waitFor } from "./wait.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const details = (one: Project) =>
  [
    `id       ${one.project_id}`,
    `name     ${one.name}`,
    `state    ${one.state}${one.phase ? ` (${one.phase})` : ""}`,
    `host     ${one.host_name ?? "none"}`,
    `image    ${one.image}`,
    ...(one.problem ? [`problem  ${one.problem.title}  [${one.problem.code}]`] : []),
  ].join("\n");

/** citty reads `--no-wait` as the opposite of this one. */
const wait = {
  type: "boolean",
  default: true,
  description: "Wait for the end",
  negativeDescription: "Print the operation's id at once",
} as const;

const act = (verb: "start" | "stop" | "restart", description: string) =>
  command({
    meta: { name: verb, description },
    args: { ...common, project, wait },
    async run({ args }) {
      const { api } = access(args);
      const started = await api.projects[verb](args.project);
      if (args.wait === false) {
        print(args, started, (one) => one.operation_id);
        return;
      }
      await waitFor(api, started);
      print(args, await api.projects.get(args.project), (one) => one.state);
    },
  });

export default command({
  meta: { name: "project", description: "Projects" },
  subCommands: {
    limits: () => import("./project-limits.ts").then((m) => m.default),
    share: () => import("./share.ts").then((m) => m.default),
    list: command({
      meta: { name: "list", description: "The projects you may see" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.projects.list(), (all) =>
          table(
            ["ID", "NAME", "STATE", "HOST", "OWNER"],
            all.map((one) => [one.project_id, one.name, one.state, one.host_name ?? "", one.owner.name]),
          ),
        );
      },
    }),
    create: command({
      meta: { name: "create", description: "Makes a project" },
      args: {
        ...common,
        name: { type: "string", required: true, description: "Its name" },
        description: { type: "string", description: "What it is for" },
        host: { type: "string", description: "Host id or name (default: the one with most free memory)" },
        image: { type: "string", description: "Root file system (default: base)" },
        disk: diskArg,
      },
      async run({ args }) {
        const { api } = access(args);
        const host = args.host === undefined ? undefined : await api.hosts.get(args.host);
        print(
          args,
          await api.projects.create({
            name: args.name,
            ...(args.description ? { description: args.description } : {}),
            ...(host ? { host_id: host.host_id } : {}),
            ...(args.image ? { image: args.image } : {}),
            ...(args.disk === undefined ? {} : { limits: { disk_bytes: diskLimit(args.disk) } }),
          }),
          (one) => one.project_id,
        );
      },
    }),
    show: command({
      meta: { name: "show", description: "One project" },
      args: { ...common, project },
      async run({ args }) {
        print(args, await access(args).api.projects.get(args.project), details);
      },
    }),
    start: act("start", "Starts a project and waits until it runs"),
    stop: act("stop", "Stops a project"),
    restart: act("restart", "Stops and starts a project"),
    archive,
    clone,
    copy,
    move,
    unarchive,
    delete: command({
      meta: { name: "delete", description: "Deletes a project and all its files" },
      args: { ...common, project, ...yesFlag },
      async run({ args }) {
        const { api } = access(args);
        const { name } = await api.projects.get(args.project);
        confirmByName(`${name} and all its files are deleted.`, name, args.yes === true);
        const done = await waitFor(api, await api.projects.remove(args.project));
        print(args, done, (one) => `deleted ${one.subject.id}`);
      },
    }),
    logs: command({
      meta: { name: "logs", description: "Last lines of a project's log" },
      args: { ...common, project },
      async run({ args }) {
        print(args, await access(args).api.projects.logs(args.project), ({ lines }) => lines.join("\n"));
      },
    }),
    cp: command({
      meta: {
        name: "cp",
        description:
          "Copies files and folders into a running project or out of it: cp FROM TO, one of them ID:PATH",
      },
      args: {
        ...common,
        from: { type: "positional", required: true, description: "A local path, or ID:PATH" },
        to: { type: "positional", required: true, description: "A local path, or ID:PATH" },
        replace: { type: "boolean", description: "Write over what is there" },
      },
      async run({ args }) {
        const { copyFiles } = await import("./copy.ts");
        const copied = await copyFiles(access(args), args.from, args.to, args.replace === true);
        print(args, copied, ({ files, bytes }) => `${files} files, ${bytes} bytes`);
      },
    }),
    exec: command({
      meta: { name: "exec", description: "Runs a command in a running project: exec ID -- CMD…" },
      args: { ...common, project, cwd: { type: "string", description: "Directory (default: the home)" } },
      async run({ args, rawArgs }) {
        const { execInProject } = await import("./exec.ts");
        process.exitCode = await execInProject(access(args), args.project, afterDashes(rawArgs), args.cwd);
      },
    }),
  },
});
