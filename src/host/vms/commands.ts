/** `cocalc-project-host vm`: virtual machines of Multipass on this machine, which join a hub by themselves. */
import { decodeJoinToken } from "../../contract/join-token.ts";
import { DEFAULT_VM, VM_PREFIX, type Vm } from "../../contract/vms.ts";
import { command, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { userData } from "./cloud-init.ts";
import { createMultipass } from "./multipass.ts";

const json = { json: { type: "boolean", description: "Print JSON" } } as const;
const name = {
  type: "positional",
  required: true,
  description: `Its name, with or without ${VM_PREFIX}`,
} as const;
const sizes = {
  cpus: { type: "string", valueHint: "N", description: "CPUs" },
  memory: { type: "string", valueHint: "GIB", description: "Memory, in GiB" },
  disk: { type: "string", valueHint: "GIB", description: "Disk, in GiB; it only grows" },
} as const;

/** Errors: `vm.bad-size`. */
function size(what: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  throw new CodedError({
    code: "vm.bad-size",
    title: `--${what} must be a whole number of 1 or more`,
    why: `It is “${text}”.`,
    fix: what === "cpus" ? "Give the number of CPUs." : "Give GiB, without a unit.",
    exit: EX.USAGE,
  });
}
const line = (vm: Vm) => `${vm.name}: ${vm.state}${vm.ipv4[0] ? ` at ${vm.ipv4[0]}` : ""}`;

export default command({
  meta: { name: "vm", description: "Virtual machines of Multipass on this machine, as hosts of their own" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Those of ours" },
      args: json,
      async run({ args }) {
        print(args, await createMultipass().list(), (all) =>
          table(
            ["NAME", "STATE", "ADDRESS", "RELEASE"],
            all.map((one) => [one.name, one.state, one.ipv4[0] ?? "", one.release]),
          ),
        );
      },
    }),
    create: command({
      meta: {
        name: "create",
        description: "Makes one that joins a hub; the join token comes on standard input",
      },
      args: { ...json, name, ...sizes },
      async run({ args }) {
        const text = (process.env.COCALC_JOIN_TOKEN ?? (await Bun.stdin.text())).replace(/\s+/g, "");
        const data = userData(text, decodeJoinToken(text));
        const made = await createMultipass().create(
          args.name,
          {
            cpus: size("cpus", args.cpus) ?? DEFAULT_VM.cpus,
            memory: size("memory", args.memory) ?? DEFAULT_VM.memory,
            disk: size("disk", args.disk) ?? DEFAULT_VM.disk,
          },
          data,
        );
        print(args, made, line);
      },
    }),
    start: command({
      meta: { name: "start", description: "Starts one" },
      args: { ...json, name },
      async run({ args }) {
        print(args, await createMultipass().start(args.name), line);
      },
    }),
    stop: command({
      meta: { name: "stop", description: "Stops one" },
      args: { ...json, name },
      async run({ args }) {
        print(args, await createMultipass().stop(args.name), line);
      },
    }),
    resize: command({
      meta: { name: "resize", description: "Changes CPUs, memory or disk; one that runs is restarted" },
      args: { ...json, name, ...sizes },
      async run({ args }) {
        const cpus = size("cpus", args.cpus);
        const memory = size("memory", args.memory);
        const disk = size("disk", args.disk);
        const wanted = {
          ...(cpus === undefined ? {} : { cpus }),
          ...(memory === undefined ? {} : { memory }),
          ...(disk === undefined ? {} : { disk }),
        };
        print(args, await createMultipass().resize(args.name, wanted), line);
      },
    }),
    delete: command({
      meta: { name: "delete", description: "Deletes one and its disk, with all projects on it" },
      args: {
        ...json,
        name,
        yes: { type: "boolean", description: "Delete it: its projects were moved away" },
      },
      async run({ args }) {
        if (args.yes !== true) {
          throw new CodedError({
            code: "vm.not-confirmed",
            title: "Nothing was deleted",
            why: "Its disk goes with it, and every project on it.",
            fix: "Deprovision it on the hub first: cocalc-hub host deprovision. Then give --yes.",
            exit: EX.USAGE,
          });
        }
        await createMultipass().remove(args.name);
        print(args, { deleted: args.name }, (one) => `deleted ${one.deleted}`);
      },
    }),
  },
});
