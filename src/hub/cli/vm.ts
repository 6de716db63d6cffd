/** `cocalc-hub vm …`: virtual machines of Multipass on a host, which join as hosts of their own. */
import type { HostCommand } from "../../contract/api-commands.ts";
import { commandWords } from "../../contract/command-words.ts";
import { DEFAULT_VM } from "../../contract/vms.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";
import { follow } from "./host-upgrade.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const name = {
  type: "positional",
  required: true,
  description: "Its name, with or without cocalc-",
} as const;
const sizes = {
  cpus: { type: "string", valueHint: "N", description: "CPUs" },
  memory: { type: "string", valueHint: "GIB", description: "Memory, in GiB" },
  disk: { type: "string", valueHint: "GIB", description: "Disk, in GiB; it only grows" },
} as const;

/** Errors: `vm.bad-size`. */
function sizeOf(args: { cpus?: string | undefined; memory?: string | undefined; disk?: string | undefined }) {
  return Object.fromEntries(
    (["cpus", "memory", "disk"] as const).flatMap((what) => {
      const text = args[what];
      if (text === undefined) return [];
      if (/^[1-9][0-9]{0,4}$/.test(text)) return [[what, Number(text)]];
      throw new CodedError({
        code: "vm.bad-size",
        title: `--${what} must be a whole number of 1 or more`,
        why: `It is “${text}”.`,
        fix: what === "cpus" ? "Give the number of CPUs." : "Give GiB, without a unit.",
        exit: EX.USAGE,
      });
    }),
  );
}
const LATE = "did not join in time: delete it and make it again";
const told = (one: HostCommand) =>
  `${commandWords(one)}: ${one.finished_at === null ? "waits for its host" : "done"}`;

export default command({
  meta: { name: "vm", description: "Virtual machines of Multipass on a host, as hosts of their own" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Those on a host that are ours" },
      args: { ...common, host },
      async run({ args }) {
        const all = await access(args).api.vms.list(args.host);
        if (all.problem) throw new CodedError({ ...all.problem, exit: EX.UNAVAILABLE });
        print(args, all.vms, (vms) =>
          table(
            ["NAME", "STATE", "ADDRESS", "RELEASE", "HOST"],
            vms.map((one) => [
              one.name,
              one.state,
              one.ipv4[0] ?? "",
              one.release,
              one.host?.name ?? (one.late ? LATE : "has not joined"),
            ]),
          ),
        );
      },
    }),
    create: command({
      meta: {
        name: "create",
        description: `Makes one, which joins by itself (${DEFAULT_VM.cpus} CPUs, ${DEFAULT_VM.memory} and ${DEFAULT_VM.disk} GiB unless said)`,
      },
      args: { ...common, host, name, ...sizes },
      async run({ args }) {
        const { api } = access(args);
        const asked = await api.vms.create(args.host, { name: args.name, ...sizeOf(args) });
        print(args, await follow(api, args.host, asked), told);
      },
    }),
    start: command({
      meta: { name: "start", description: "Starts one" },
      args: { ...common, host, name },
      async run({ args }) {
        const { api } = access(args);
        print(args, await follow(api, args.host, await api.vms.act(args.host, args.name, "start")), told);
      },
    }),
    stop: command({
      meta: { name: "stop", description: "Stops one" },
      args: { ...common, host, name },
      async run({ args }) {
        const { api } = access(args);
        print(args, await follow(api, args.host, await api.vms.act(args.host, args.name, "stop")), told);
      },
    }),
    resize: command({
      meta: { name: "resize", description: "Changes CPUs, memory or disk; one that runs is restarted" },
      args: { ...common, host, name, ...sizes },
      async run({ args }) {
        const { api } = access(args);
        print(
          args,
          await follow(api, args.host, await api.vms.resize(args.host, args.name, sizeOf(args))),
          told,
        );
      },
    }),
    delete: command({
      meta: { name: "delete", description: "Deletes one and its disk; refused while it is a host" },
      args: {
        ...common,
        host,
        name,
        "even-host": { type: "boolean", description: "Also while it is a host, with all projects on it" },
      },
      async run({ args }) {
        const { api } = access(args);
        const asked = await api.vms.remove(args.host, args.name, args["even-host"] === true);
        print(args, await follow(api, args.host, asked), told);
      },
    }),
  },
});
