import { writeFileSync } from "node:fs";
import type { Backup, DueRequest } from "../../contract/api-backups.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { backupTarget } from "./backup-target.ts";
import { access } from "./client.ts";
import { watch } from "./follow.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;
const snapshot = {
  type: "positional",
  required: true,
  description: "Id of the backup or of its snapshot, or latest",
} as const;

const size = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const row = (one: Backup) => [
  one.backup_id,
  one.started_at,
  one.state,
  String(one.files),
  size(one.added_bytes),
  one.host_name ?? "",
  one.problem?.title ?? "",
];

async function beginDue(
  args: Parameters<typeof access>[0] & { json?: boolean },
  what: DueRequest["what"],
): Promise<void> {
  print(args, await access(args).api.backups.due(what), ({ started }) => `${started} started`);
}

export default command({
  meta: { name: "backup", description: "Backups of projects" },
  subCommands: {
    run: command({
      meta: {
        name: "run",
        description: "Backs a project up and waits for the proof; --due: all that is due",
      },
      args: {
        ...common,
        project: { ...project, required: false },
        due: { type: "boolean", description: "Begin the backups that are due, for a timer" },
      },
      async run({ args }) {
        const { api } = access(args);
        if (args.due) return await beginDue(args, "backup");
        if (args.project === undefined) {
          throw new CodedError({
            code: "cli.missing-argument",
            title: "cocalc-hub backup run needs <project>, or --due",
            fix: "See cocalc-hub backup run --help.",
            exit: EX.USAGE,
          });
        }
        const done = await watch(api, await api.backups.run(args.project));
        const { backups } = await api.backups.list(done.subject.id);
        const made = backups.find((one) => one.backup_id === done.operation_id);
        print(args, made ?? done, () =>
          made
            ? [
                `${made.backup_id}  ${made.state}: ${made.files} files, ${size(made.bytes)}, ${size(made.added_bytes)} new`,
                ...made.left_out.map((one) => `  not in it: ${one}`),
              ].join("\n")
            : done.operation_id,
        );
        if (made && made.state !== "proven") process.exitCode = EX.DATAERR;
      },
    }),
    list: command({
      meta: { name: "list", description: "Backups of a project, newest first" },
      args: { ...common, project },
      async run({ args }) {
        print(args, (await access(args).api.backups.list(args.project)).backups, (all) =>
          table(["ID", "TIME", "STATE", "FILES", "NEW", "HOST", "PROBLEM"], all.map(row)),
        );
      },
    }),
    files: command({
      meta: { name: "files", description: "A folder of the home, as it was then" },
      args: {
        ...common,
        project,
        snapshot,
        path: { type: "positional", required: false, description: "Folder below the home" },
      },
      async run({ args }) {
        print(
          args,
          await access(args).api.backups.files(args.project, args.snapshot, args.path ?? ""),
          (all) =>
            table(
              ["TYPE", "SIZE", "MODIFIED", "NAME"],
              all.map((one) => [
                one.type,
                one.type === "file" ? String(one.size) : "",
                one.modified_at ?? "",
                one.path,
              ]),
            ),
        );
      },
    }),
    get: command({
      meta: { name: "get", description: "Writes one file of a backup to standard output, or to --output" },
      args: {
        ...common,
        project,
        snapshot,
        path: { type: "positional", required: true, description: "File below the home" },
        output: { type: "string", valueHint: "FILE", description: "Where to write it" },
      },
      async run({ args }) {
        const response = await access(args).api.backups.file(args.project, args.snapshot, args.path);
        const bytes = new Uint8Array(await response.arrayBuffer());
        if (args.output === undefined) process.stdout.write(bytes);
        else writeFileSync(args.output, bytes);
      },
    }),
    restore: command({
      meta: {
        name: "restore",
        description:
          "Restores the whole project, or with --path files of it: beside the originals, or --over them",
      },
      args: {
        ...common,
        project,
        snapshot,
        path: { type: "string", description: "File or folder below the home; several with commas" },
        over: { type: "boolean", description: "Over what is there, instead of into a new folder" },
      },
      async run({ args }) {
        const { api } = access(args);
        const paths = args.path?.split(",").filter((one) => one !== "");
        const started = await api.backups.restore(
          args.project,
          args.snapshot,
          paths === undefined
            ? { what: "project" }
            : { what: "paths", paths, to: args.over ? "over" : "beside" },
        );
        const done = await watch(api, started);
        print(args, done, (one) =>
          one.steps.map((step) => `${step.label}: ${step.detail ?? step.state}`).join("\n"),
        );
      },
    }),
    drill: command({
      meta: { name: "drill", description: "Restores a project to nowhere and compares it with its backup" },
      args: { ...common, project: { ...project, required: false } },
      async run({ args }) {
        const { api } = access(args);
        const id = args.project === undefined ? undefined : (await api.projects.get(args.project)).project_id;
        const done = await watch(api, await api.backups.drill(id));
        print(args, done, (one) => `${one.subject.name}: ${one.steps[0]?.detail ?? one.state}`);
      },
    }),
    verify: command({
      meta: {
        name: "verify",
        description: "Reads all data of the repositories back; --due: a seventh, where a week has passed",
      },
      args: {
        ...common,
        due: { type: "boolean", description: "Begin to read a seventh back where that is due, for a timer" },
      },
      async run({ args }) {
        const { api } = access(args);
        if (args.due) return await beginDue(args, "verify");
        print(args, await watch(api, await api.backups.verify()), () => "all data reads back");
      },
    }),
    prune: command({
      meta: {
        name: "prune",
        description: "Forgets what the policy does not keep, and removes what nothing needs",
      },
      args: {
        ...common,
        due: { type: "boolean", description: "Begin it where the last time was a day ago, for a timer" },
      },
      async run({ args }) {
        const { api } = access(args);
        if (args.due) return await beginDue(args, "prune");
        print(args, await watch(api, await api.backups.prune()), () => "pruned");
      },
    }),
    status: command({
      meta: {
        name: "status",
        description: "Alarms, repositories and the last proven backup of each project",
      },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.backups.overview(), (all) =>
          [
            ...all.alarms.map(
              (one) => `${one.severity === "bad" ? "ALARM" : "warning"}: ${one.title}  [${one.code}]`,
            ),
            ...all.repositories.map((one) => `repository ${one.repository_id}: ${one.location}`),
            table(
              ["PROJECT", "HOST", "LAST PROVEN", "LAST"],
              all.projects.map((one) => [
                one.name,
                one.host_name ?? "",
                one.last_proven_at ?? "never",
                one.last?.state ?? "",
              ]),
            ),
          ].join("\n"),
        );
      },
    }),
    "take-over": command({
      meta: {
        name: "take-over",
        description: "Makes this hub the one that keeps its repositories; another one that did is refused",
      },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.backups.takeOver(), () => "this hub keeps its repositories now");
      },
    }),
    hub: command({
      meta: {
        name: "hub",
        description: "Backs the hub itself up into the repository now; it does so hourly",
      },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.backups.hub(), () => "the hub is in the repository");
      },
    }),
    target: backupTarget,
    bundle: command({
      meta: { name: "bundle", description: "Writes this hub's own state, encrypted, to a file" },
      args: {
        ...common,
        output: { type: "string", required: true, valueHint: "FILE", description: "Where to write it" },
      },
      async run({ args }) {
        const bytes = new Uint8Array(await (await access(args).api.backups.bundle()).arrayBuffer());
        writeFileSync(args.output, bytes, { mode: 0o600 });
        print(args, { file: args.output, bytes: bytes.length }, (one) => `${one.file}: ${size(one.bytes)}`);
      },
    }),
    "recovery-sheet": command({
      meta: {
        name: "recovery-sheet",
        description: "What opens the repositories, to be printed and kept elsewhere",
      },
      args: common,
      async run({ args }) {
        process.stdout.write(await (await access(args).api.backups.recoverySheet()).text());
      },
    }),
  },
});
