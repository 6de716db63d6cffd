/** `cocalc-hub host drain|deprovision|forget|gone`: hosts on their way out. */
import type { LeavingPlan, Tombstone } from "../../contract/api-leaving.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";
import { confirmByName, yesFlag } from "./confirm.ts";
import { follow } from "./follow.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;

const projectLines = (projects: LeavingPlan["projects"]) =>
  projects.map(
    (one) =>
      `  ${one.name} (${one.state}): ${one.last_proven ? `last proven backup ${one.last_proven}` : "NO proven backup"}`,
  );
const planText = (plan: LeavingPlan) =>
  [
    plan.connected ? `${plan.name} answers` : `${plan.name} does not answer: it can only be forgotten`,
    `projects  ${plan.projects.length === 0 ? "none" : ""}`,
    ...projectLines(plan.projects),
    ...plan.removes.map((one) => `remove    ${one}`),
    ...plan.keeps.map((one) => `keep      ${one}`),
    "Nothing was changed.",
  ].join("\n");
const stoneText = (stone: Tombstone) =>
  [
    `${stone.name} is gone: ${stone.how} by ${stone.by} at ${stone.gone_at}`,
    ...(stone.log ? [`its own log: ${stone.log}`] : []),
    ...stone.removed.map((one) => `removed   ${one}`),
    ...stone.kept.map((one) => `kept      ${one}`),
    ...projectLines(stone.projects),
  ].join("\n");

export const drain = command({
  meta: { name: "drain", description: "Starts nothing new on a host, and stops or moves what runs there" },
  args: {
    ...common,
    host,
    move: { type: "boolean", description: "Move its projects to other hosts instead of stopping them" },
    end: { type: "boolean", description: "Take projects again" },
  },
  async run({ args }) {
    const { api } = access(args);
    const started = await api.leaving.drain(args.host, {
      draining: args.end !== true,
      move: args.move === true,
    });
    if (started) await follow(api, started);
    print(args, { host: args.host, draining: args.end !== true }, (one) =>
      one.draining ? `${one.host} is drained` : `${one.host} takes projects again`,
    );
  },
});

export const deprovision = command({
  meta: {
    name: "deprovision",
    description: "Backs a host's projects up, then has the machine remove what is ours",
  },
  args: {
    ...common,
    host,
    "dry-run": { type: "boolean", description: "Only say what would be removed and what kept" },
    "keep-data": { type: "boolean", description: "Projects, images and the pool stay on the machine" },
    "without-backups": { type: "boolean", description: "Also where a project has no proven final backup" },
    ...yesFlag,
  },
  async run({ args }) {
    const { api } = access(args);
    const keep = args["keep-data"] === true;
    const plan = await api.leaving.plan(args.host, keep);
    if (args["dry-run"] === true) {
      print(args, plan, planText);
      return;
    }
    confirmByName(`${planText(plan)}\nThe machine removes this.`, plan.name, args.yes === true);
    const wanted = { keep_data: keep, without_backups: args["without-backups"] === true };
    await follow(api, await api.leaving.deprovision(args.host, wanted));
    const stone = (await api.leaving.tombstones()).find((one) => one.host_id === plan.host_id);
    if (stone) print(args, stone, stoneText);
  },
});

export const forget = command({
  meta: { name: "forget", description: "Lets go of a host that never answers" },
  args: {
    ...common,
    host,
    "accept-loss": {
      type: "boolean",
      description: "Also with projects: what is only there is lost to this hub",
    },
    ...yesFlag,
  },
  async run({ args }) {
    const { api } = access(args);
    const { name } = await api.hosts.get(args.host);
    confirmByName(`${name} cannot come back with its key once it is forgotten.`, name, args.yes === true);
    print(args, await api.leaving.forget(args.host, args["accept-loss"] === true), stoneText);
  },
});

export const gone = command({
  meta: { name: "gone", description: "Hosts that are gone, and where their projects are" },
  args: common,
  async run({ args }) {
    print(args, await access(args).api.leaving.tombstones(), (all) =>
      table(
        ["ID", "NAME", "GONE", "HOW", "PROJECTS LEFT"],
        all.map((one) => [one.host_id, one.name, one.gone_at, one.how, String(one.projects.length)]),
      ),
    );
  },
});
