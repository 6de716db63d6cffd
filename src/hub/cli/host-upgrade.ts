/** `cocalc-hub host upgrade|rollback|commands`: versions of hosts, and of the hub through its own machine. */
import type { HostCommand } from "../../contract/api-commands.ts";
import type { ApiClient } from "../../contract/client.ts";
import { commandWords } from "../../contract/command-words.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import { access } from "./client.ts";

const POLL_MS = 500;
/** A hub that upgrades itself does not answer for a moment. */
const HUB_AWAY_MS = 120_000;
/** A machine that is there has taken a command by then; that one is away is known sooner. */
const TAKEN_MS = 60_000;

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const isAway = async (api: ApiClient, hostId: string) => (await api.hosts.get(hostId)).state === "offline";

/** Until it ended, or waits for a machine that is away. Errors: what made it fail. */
export async function follow(api: ApiClient, name: string, asked: HostCommand): Promise<HostCommand> {
  let waitsSince = Date.now();
  let heard = Date.now();
  let now = asked;
  let said = "";
  while (now.finished_at === null) {
    await Bun.sleep(POLL_MS);
    try {
      if (
        now.state === "waiting" &&
        (Date.now() - waitsSince > TAKEN_MS || (await isAway(api, asked.host_id)))
      ) {
        process.stderr.write(`${name} is away: it gets this when it comes back\n`);
        return now;
      }
      const found = (await api.commands.list(asked.host_id)).find(
        (one) => one.command_id === asked.command_id,
      );
      heard = Date.now();
      now = found ?? now;
      if (now.state !== "waiting") waitsSince = heard;
    } catch (error) {
      // Its database may be the one from before, in which there is no such command: what runs then says how it went.
      if (Date.now() - heard > HUB_AWAY_MS) throw error;
      if (said !== "away") process.stderr.write("the hub does not answer just now\n");
      said = "away";
      continue;
    }
    const line = `${now.state}${now.detail ? `: ${now.detail}` : ""}`;
    if (line !== said) process.stderr.write(`${name}  ${line}\n`);
    said = line;
  }
  if (now.state === "done") return now;
  throw new CodedError({
    ...(now.problem ?? { code: "command.cancelled", title: "It was cancelled" }),
    exit: EX.TEMPFAIL,
  });
}

const done = (one: HostCommand) =>
  one.finished_at === null
    ? `${commandWords(one)}: waits`
    : `${commandWords(one)}: done, ${one.to_version} runs`;

export const upgrade = command({
  meta: {
    name: "upgrade",
    description: "Brings a host to the hub's version; the hub's own machine, hub and all, to a release",
  },
  args: {
    ...common,
    host: { type: "positional", required: false, description: "The host's id or name" },
    all: { type: "boolean", description: "Every host that runs another version than the hub" },
    to: {
      type: "string",
      valueHint: "V",
      description: "Which version of the hub, instead of the latest at its release's address",
    },
    "without-backups": {
      type: "boolean",
      description: "Also where a project that changed cannot be backed up first",
    },
  },
  async run({ args }) {
    const { api } = access(args);
    if ((args.host === undefined) === (args.all !== true)) {
      throw new CodedError({
        code: "upgrade.which",
        title: "Name one host, or give --all",
        fix: "See them: cocalc-hub host list",
        exit: EX.USAGE,
      });
    }
    const without_backups = args["without-backups"] === true;
    if (args.host !== undefined) {
      const version = args.to === undefined ? {} : { version: args.to };
      const asked = await api.commands.upgrade(args.host, { ...version, without_backups });
      print(args, await follow(api, args.host, asked), done);
      return;
    }
    // One after the other: when the first goes wrong, the others still run what worked.
    const ended: (HostCommand & { name: string })[] = [];
    for (const one of await api.hosts.list()) {
      if (one.type.kind === "local") continue;
      const asked = await api.commands.upgrade(one.host_id, { without_backups }).catch((error: unknown) => {
        if (toProblem(error).code === "upgrade.already") return undefined;
        throw error;
      });
      if (asked) ended.push({ ...(await follow(api, one.name, asked)), name: one.name });
    }
    print(args, ended, (all) =>
      all.length === 0
        ? "every host runs the hub's version"
        : all.map((one) => `${one.name}  ${done(one)}`).join("\n"),
    );
  },
});

export const rollback = command({
  meta: {
    name: "rollback",
    description: "Brings a host back to its version before; the hub's own machine, hub and all",
  },
  args: { ...common, host },
  async run({ args }) {
    const { api } = access(args);
    print(args, await follow(api, args.host, await api.commands.rollback(args.host)), done);
  },
});

export const commands = command({
  meta: { name: "commands", description: "Upgrades, rollbacks and virtual machines of a host, newest first" },
  args: {
    ...common,
    host,
    cancel: { type: "string", valueHint: "ID", description: "Cancel one that its machine does not have yet" },
  },
  async run({ args }) {
    const { api } = access(args);
    if (args.cancel !== undefined) await api.commands.cancel(args.host, args.cancel);
    print(args, await api.commands.list(args.host), (all) =>
      table(
        ["ID", "WHAT", "STATE", "FROM", "NOW", "ASKED", "BY", "PROBLEM"],
        all.map((one) => [
          one.command_id,
          commandWords(one),
          one.state,
          one.from_version ?? "",
          one.to_version ?? "",
          one.created_at,
          one.created_by,
          one.problem?.code ?? "",
        ]),
      ),
    );
  },
});
