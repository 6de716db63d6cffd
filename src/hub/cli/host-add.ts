/** `cocalc-hub host add`: the hub signs in to a machine itself and makes it a host. */
import type { Machine, MachineLook } from "../../contract/api-machines.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access, readPassword } from "./client.ts";
import { follow } from "./follow.ts";

const shownText = (look: MachineLook) =>
  [
    `${look.target} shows the key`,
    `  ${look.host_key.fingerprint}  (${look.host_key.type})`,
    ...(look.known_fingerprint === null
      ? []
      : [`  ANOTHER than the one that was confirmed before: ${look.known_fingerprint}`]),
    "Compare it with what that machine prints itself:",
    `  ssh-keygen -lf /etc/ssh/ssh_host_${look.host_key.type.includes("ed25519") ? "ed25519" : look.host_key.type.startsWith("ecdsa") ? "ecdsa" : "rsa"}_key.pub`,
    "The hub signs in with its own key. Unless you give a password, its line must be in ~/.ssh/authorized_keys there:",
    `  ${look.hub_key}`,
  ].join("\n");

/** The fingerprint that a person compared: as an argument, or typed at a terminal. */
function confirmed(look: MachineLook, given: string | undefined): string {
  if (given !== undefined) return given;
  process.stderr.write(`${shownText(look)}\n`);
  if (process.stdin.isTTY && prompt("Is it the same key, and is the line there? Type yes:") === "yes")
    return look.host_key.fingerprint;
  throw new CodedError({
    code: "machine.key-not-confirmed",
    title: "Nobody confirmed the machine's key; nothing was sent to it",
    fix: "Compare it, then run the same command with:",
    command: `--fingerprint ${look.host_key.fingerprint}`,
    exit: EX.USAGE,
  });
}

export const add = command({
  meta: { name: "add", description: "Signs in to a machine over SSH and makes it a host" },
  args: {
    ...common,
    target: { type: "positional", required: true, description: "user@host or user@host:port" },
    fingerprint: {
      type: "string",
      valueHint: "SHA256:…",
      description: "Its host key, which you compared (default: shows it and asks)",
    },
    "password-file": {
      type: "string",
      valueHint: "FILE",
      description: "Password of that user, for this once (- is standard input); default: the hub's own key",
    },
    "host-base-port": { type: "string", description: "Base port there (default 9200)" },
    "host-data-dir": { type: "string", description: "Where its state lives there" },
    replace: { type: "boolean", description: "It is a host of another hub, and is to leave that one" },
  },
  async run({ args }) {
    const { api } = access(args);
    const look = await api.machines.look(args.target);
    const fingerprint = confirmed(look, args.fingerprint);
    const password =
      args["password-file"] === undefined ? undefined : await readPassword(args["password-file"]);
    const started = await api.machines.add({
      target: look.target,
      fingerprint,
      ...(password === undefined ? {} : { password }),
      ...(args["host-base-port"] === undefined ? {} : { base_port: Number(args["host-base-port"]) }),
      ...(args["host-data-dir"] === undefined ? {} : { data_dir: args["host-data-dir"] }),
      ...(args.replace === true ? { replace: true } : {}),
    });
    await follow(api, started);
    const machine = (await api.machines.list()).find((one) => one.operation_id === started.operation_id);
    print(
      args,
      { host_id: machine?.host_id ?? null, target: look.target },
      (made) => made.host_id ?? made.target,
    );
  },
});

export const signOut = command({
  meta: {
    name: "sign-out",
    description: "The hub signs in to a machine no more; a host that it became stays one",
  },
  args: {
    ...common,
    machine: {
      type: "positional",
      required: true,
      description: "The machine's id or target, as `host machines` lists it",
    },
  },
  async run({ args }) {
    const { api } = access(args);
    const known = (await api.machines.list()).find(
      (one) => one.machine_id === args.machine || one.target === args.machine,
    );
    await api.machines.remove(known?.machine_id ?? args.machine);
    print(
      args,
      { removed: known?.target ?? args.machine },
      (one) => `the hub signs in to ${one.removed} no more`,
    );
  },
});

const way = (one: Machine) => (one.link === "none" ? "its own" : `held by the hub, ${one.link}`);
export const machines = command({
  meta: { name: "machines", description: "Machines that the hub signs in to" },
  args: common,
  async run({ args }) {
    print(args, await access(args).api.machines.list(), (all) =>
      table(
        ["ID", "TARGET", "HOST", "WAY TO THE HUB", "KEY"],
        all.map((one) => [one.machine_id, one.target, one.host_id ?? "", way(one), one.fingerprint]),
      ),
    );
  },
});
