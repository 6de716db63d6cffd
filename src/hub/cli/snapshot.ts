/** `cocalc-hub snapshot …`: a project as it was. */
import type { Snapshot } from "../../contract/storage.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const snapshot = {
  type: "positional",
  required: true,
  description: "The snapshot's name, a time as in the list; `latest` is the newest",
} as const;
const path = {
  type: "positional",
  required: false,
  description: "Below the home (default: all of it)",
} as const;

const size = (bytes: number) =>
  bytes >= 1e9
    ? `${(bytes / 1e9).toFixed(2)} GB`
    : bytes >= 1e6
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${Math.ceil(bytes / 1e3)} kB`;

const KINDS: Record<Snapshot["kind"], string> = {
  schedule: "by schedule",
  manual: "by hand",
  safety: "before a restore",
  backup: "of a backup",
};

async function nameOf(args: {
  "data-dir"?: string | undefined;
  project: string;
  snapshot: string;
}): Promise<string> {
  if (args.snapshot !== "latest") return args.snapshot;
  const newest = (await access(args).api.snapshots.list(args.project)).snapshots[0];
  if (newest) return newest.name;
  throw new CodedError({
    code: "storage.unknown-snapshot",
    title: "The project has no snapshot",
    fix: "Make one: cocalc-hub snapshot create.",
    exit: EX.NOINPUT,
  });
}

export default command({
  meta: { name: "snapshot", description: "A project as it was: list, look, compare, put back" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "A project's snapshots, newest first, and what it uses" },
      args: { ...common, project },
      async run({ args }) {
        print(
          args,
          await access(args).api.snapshots.list(args.project),
          ({ supported, why, snapshots, usage }) =>
            [
              ...(usage === null
                ? []
                : [
                    `used ${size(usage.used_bytes)} of ${usage.quota_bytes === null ? "no limit" : size(usage.quota_bytes)}: live ${size(usage.live_bytes)}, held by snapshots ${size(usage.held_bytes)}`,
                  ]),
              ...(supported ? [] : [`no snapshots: ${why ?? ""}`]),
              table(
                ["NAME", "MADE", "LEFT OUT"],
                snapshots.map((one) => [one.name, KINDS[one.kind], one.left_out.join(", ")]),
              ),
            ].join("\n"),
        );
      },
    }),
    create: command({
      meta: { name: "create", description: "Takes a snapshot now; it stays until it is removed" },
      args: { ...common, project },
      async run({ args }) {
        print(args, await access(args).api.snapshots.create(args.project), (one) => one.name);
      },
    }),
    remove: command({
      meta: { name: "remove", description: "Removes a snapshot" },
      args: { ...common, project, snapshot },
      async run({ args }) {
        const { removed } = await access(args).api.snapshots.remove(args.project, args.snapshot);
        print(args, { removed }, () => (removed ? `removed ${args.snapshot}` : "it was not there"));
        if (!removed) process.exitCode = EX.NOINPUT;
      },
    }),
    files: command({
      meta: { name: "files", description: "What was in a folder; the project must run" },
      args: { ...common, project, snapshot, path },
      async run({ args }) {
        const { api } = access(args);
        const name = await nameOf(args);
        const entries = [];
        for (let total = 1; entries.length < total; ) {
          const page = await api.snapshots.files(args.project, name, args.path ?? "", entries.length);
          if (page.entries.length === 0) break;
          entries.push(...page.entries);
          total = page.total;
        }
        print(args, { snapshot: name, entries }, (found) =>
          found.entries
            .map((one) => (one.type === "directory" ? `${one.name}/` : `${one.name}  ${size(one.size)}`))
            .join("\n"),
        );
      },
    }),
    diff: command({
      meta: { name: "diff", description: "What is different now from what was then; the project must run" },
      args: { ...common, project, snapshot, path },
      async run({ args }) {
        const sign = { added: "+", removed: "-", changed: "M" } as const;
        const name = await nameOf(args);
        print(args, await access(args).api.snapshots.changes(args.project, name, args.path ?? ""), (found) =>
          [
            ...found.changes.map(
              (one) => `${sign[one.kind]} ${one.path || args.path || "."}${one.folder ? "/" : ""}`,
            ),
            ...(found.more ? ["… and more: name a folder"] : []),
          ].join("\n"),
        );
      },
    }),
    restore: command({
      meta: {
        name: "restore",
        description:
          "Puts back a file or a folder, or all of a project; how it was until now stays as a snapshot",
      },
      args: {
        ...common,
        project,
        snapshot,
        path: { ...path, description: "A file or folder below the home" },
        all: {
          type: "boolean",
          description: "All, what was installed included; it is stopped and started for that",
        },
      },
      async run({ args }) {
        if ((args.path === undefined) === (args.all !== true)) {
          throw new CodedError({
            code: "cli.bad-value",
            title: "Say either a path or --all",
            fix: "See cocalc-hub snapshot restore --help.",
            exit: EX.USAGE,
          });
        }
        const name = await nameOf(args);
        const paths = args.path === undefined ? null : [args.path];
        const { safety } = await access(args).api.snapshots.restore(args.project, name, paths);
        print(
          args,
          { restored: args.path ?? "all", snapshot: name, safety },
          (done) =>
            `${done.restored} is as it was at ${done.snapshot}${done.safety ? `; until now it was as in ${done.safety}` : ""}`,
        );
      },
    }),
  },
});
