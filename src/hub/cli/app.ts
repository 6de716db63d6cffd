/** `cocalc-hub app …`: web servers of a project that are started on demand, and what else listens in it. */
import {
  type App,
  type AppStatus,
  appBaseSchema,
  appDefinitionSchema,
  BUILT_IN_APPS,
} from "../../contract/apps.ts";
import { callProject } from "../../contract/project-client.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";
import { inProject } from "./in-project.ts";

const POLL_MS = 300;

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const app = { type: "positional", required: true, description: "Its name, as in its address" } as const;
const base = {
  type: "enum" as const,
  options: ["keep", "strip", "root"],
  default: "keep",
  description: "keep, strip or root: the paths that it sees",
};
const set = {
  type: "enum" as const,
  options: ["own", "shared"],
  description: "shared: where no address of its own can be reached; own: no longer",
};
const number = (text: string, flag: string): number => {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new CodedError({ code: "cli.bad-value", title: `--${flag} must be a whole number`, exit: EX.USAGE });
};

function stateOf(one: AppStatus): string {
  return [one.state, ...(one.port === null ? [] : [`port ${one.port}`])].join(", ");
}
const rows = (apps: App[]) =>
  table(
    ["NAME", "TITLE", "STATE", "CONNECTIONS", "INSTALLED"],
    apps.map((one) => [
      one.name,
      one.title,
      stateOf(one),
      String(one.sessions),
      one.installed ? "yes" : `no (needs ${one.definition.needs ?? "?"})`,
    ]),
  );

/** A failure to start is the command's own. */
function started(status: AppStatus): AppStatus {
  if (status.state !== "failed") return status;
  const problem = status.problem ?? { code: "app.failed", title: `${status.title} did not start` };
  throw new CodedError({ ...problem, exit: EX.UNAVAILABLE } as ConstructorParameters<typeof CodedError>[0]);
}

export default command({
  meta: { name: "app", description: "Web servers of a project, started on demand" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "The apps of a project, and whether they run" },
      args: { ...common, project },
      async run({ args }) {
        const { apps, problem } = await inProject(access(args), args.project, (host, { project_id }) =>
          callProject(host, project_id, "apps.list", {}),
        );
        if (problem) process.stderr.write(`${problem.title}: ${problem.why ?? ""}\n`);
        print(args, apps, rows);
      },
    }),
    ports: command({
      meta: { name: "ports", description: "What listens in a project" },
      args: { ...common, project },
      async run({ args }) {
        const { ports } = await inProject(access(args), args.project, (host, { project_id }) =>
          callProject(host, project_id, "ports", {}),
        );
        print(args, ports, (all) =>
          table(
            ["PORT", "COMMAND"],
            all.map((one) => [String(one.port), one.command]),
          ),
        );
      },
    }),
    start: command({
      meta: { name: "start", description: "Starts an app; also one that failed" },
      args: {
        ...common,
        project,
        app,
        wait: {
          type: "boolean",
          default: true,
          description: "Wait until it listens",
          negativeDescription: "Do not wait until it listens",
        },
      },
      async run({ args }) {
        const status = await inProject(access(args), args.project, async (host, { project_id }) => {
          const ask = (start: boolean) =>
            callProject(host, project_id, "apps.open", { app: args.app, start, again: start });
          let now = await ask(true);
          while (args.wait !== false && now.state === "starting") {
            await Bun.sleep(POLL_MS);
            now = await ask(false);
          }
          return started(now);
        });
        print(args, status, stateOf);
      },
    }),
    stop: command({
      meta: { name: "stop", description: "Stops an app" },
      args: { ...common, project, app },
      async run({ args }) {
        const status = await inProject(access(args), args.project, (host, { project_id }) =>
          callProject(host, project_id, "apps.stop", { app: args.app }),
        );
        print(args, status, stateOf);
      },
    }),
    log: command({
      meta: { name: "log", description: "What an app has written" },
      args: {
        ...common,
        project,
        app,
        follow: { type: "boolean", description: "Go on until it has ended" },
      },
      async run({ args }) {
        await inProject(access(args), args.project, async (host, { project_id }) => {
          const out = (text: string) => {
            if (args.json !== true) process.stdout.write(text);
          };
          let all = "";
          let from = 0;
          for (;;) {
            const said = await callProject(host, project_id, "apps.log", { app: args.app, from });
            all += said.text;
            out(said.text);
            const more = said.next > from && said.text !== "";
            from = said.next;
            if (more) continue;
            if (args.follow !== true || !["starting", "running"].includes(said.status.state)) {
              if (args.json === true) print(args, { text: all, status: said.status }, () => "");
              return;
            }
            await Bun.sleep(POLL_MS);
          }
        });
      },
    }),
    define: command({
      meta: { name: "define", description: "Adds an app of one's own, or changes one" },
      args: {
        ...common,
        project,
        app,
        command: { type: "string", required: true, description: "It serves HTTP on 127.0.0.1:$PORT" },
        title: { type: "string", description: "Its title (default: its name)" },
        base,
        needs: { type: "string", description: "A program that must be in the PATH" },
        install: { type: "string", description: "What to type where that program is missing" },
        "idle-minutes": { type: "string", valueHint: "N", description: "0 is never (default 60)" },
        "start-seconds": {
          type: "string",
          valueHint: "N",
          description: "Until it must listen (default 120)",
        },
      },
      async run({ args }) {
        const definition = appDefinitionSchema.parse({
          title: args.title ?? args.app,
          command: args.command,
          base: appBaseSchema.parse(args.base),
          ...(args.needs === undefined ? {} : { needs: args.needs }),
          ...(args.install === undefined ? {} : { install: args.install }),
          ...(args["idle-minutes"] === undefined
            ? {}
            : { idle_minutes: number(args["idle-minutes"], "idle-minutes") }),
          ...(args["start-seconds"] === undefined
            ? {}
            : { start_seconds: number(args["start-seconds"], "start-seconds") }),
        });
        await inProject(access(args), args.project, (host, { project_id }) =>
          callProject(host, project_id, "apps.define", { app: args.app, definition }),
        );
        print(args, { name: args.app, ...definition }, (one) => one.name);
      },
    }),
    remove: command({
      meta: { name: "remove", description: "Takes a definition away; a built-in of that name comes back" },
      args: { ...common, project, app },
      async run({ args }) {
        await inProject(access(args), args.project, (host, { project_id }) =>
          callProject(host, project_id, "apps.define", { app: args.app, definition: null }),
        );
        print(args, { removed: args.app, built_in: args.app in BUILT_IN_APPS }, (one) =>
          one.built_in ? `${one.removed} is the built-in one again` : "removed",
        );
      },
    }),
    address: command({
      meta: { name: "address", description: "Whether its pages share an address with other projects'" },
      args: {
        ...common,
        project,
        set,
      },
      async run({ args }) {
        const { apps } = access(args).api;
        const policy = await (args.set === undefined
          ? apps.policy(args.project)
          : apps.share(args.project, args.set === "shared"));
        print(args, policy, (one) => (one.shared ? "shared" : "its own"));
      },
    }),
  },
});
