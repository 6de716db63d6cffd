import type { Host } from "../../contract/api.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";
import { add, machines, signOut } from "./host-add.ts";
import { adopt, found, wipe } from "./host-found.ts";
import { deprovision, drain, forget, gone } from "./host-leave.ts";
import { commands, rollback, upgrade } from "./host-upgrade.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const rtt = (one: Host) => (one.tunnel.rtt_ms === null ? "" : `${one.tunnel.rtt_ms.toFixed(1)} ms`);
/** Both fingerprints of a key that changed, and what to type once they were compared. */
const changed = ({ name, changed_key: key }: Host) =>
  key === null
    ? []
    : [
        `changed  ${key.side === "host" ? `what claims to be ${name}` : "the hub's sshd, as this machine meets it,"} has another key`,
        `  known  ${key.known}`,
        `  shown  ${key.shown ?? "unreadable"}${key.from ? ` (at ${key.from})` : ""}`,
        key.acceptable && key.shown
          ? `  accept cocalc-hub host accept-key ${name} ${key.shown}`
          : "  refuse that is not this hub's key: somebody may be in between",
      ];
const details = (one: Host) =>
  [
    `id       ${one.host_id}`,
    `name     ${one.name}`,
    `kind     ${one.type.kind}`,
    `state    ${one.state}${one.draining ? ", drained" : ""}`,
    `tunnel   ${one.tunnel.state} ${rtt(one)}`,
    `key      ${one.key_fingerprint}`,
    ...changed(one),
    `ssh port ${one.ssh_port}`,
    `version  ${one.report?.version ?? "unknown"}`,
    ...one.checklist.map(
      (step) => `  ${step.state.padEnd(8)} ${step.label}${step.detail ? ` (${step.detail})` : ""}`,
    ),
    ...(one.problem
      ? [
          `problem  ${one.problem.title}  [${one.problem.code}]`,
          ...(one.problem.why ? [`  why    ${one.problem.why}`] : []),
          ...(one.problem.fix ? [`  fix    ${one.problem.fix}`] : []),
          ...(one.problem.command ? [`  run    ${one.problem.command}`] : []),
        ]
      : []),
  ].join("\n");

export default command({
  meta: { name: "host", description: "Machines that run projects" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "All hosts" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.hosts.list(), (all) =>
          table(
            ["ID", "NAME", "KIND", "STATE", "TUNNEL", "RTT", "VERSION"],
            all.map((one) => [
              one.host_id,
              one.name,
              one.type.kind,
              one.state,
              one.tunnel.state,
              rtt(one),
              one.report?.version ?? "",
            ]),
          ),
        );
      },
    }),
    show: command({
      meta: { name: "show", description: "One host" },
      args: { ...common, host },
      async run({ args }) {
        print(args, await access(args).api.hosts.get(args.host), details);
      },
    }),
    token: command({
      meta: { name: "token", description: "Prints the line to paste on a new machine" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.joinTokens.create(), (made) => made.line);
      },
    }),
    add,
    machines,
    "sign-out": signOut,
    revoke: command({
      meta: { name: "revoke", description: "Revokes a host's key and ends its session" },
      args: { ...common, host },
      async run({ args }) {
        print(args, await access(args).api.hosts.revoke(args.host), details);
      },
    }),
    "accept-key": command({
      meta: {
        name: "accept-key",
        description: "Accepts a changed key (of the host, or of the hub as the host meets it)",
      },
      args: {
        ...common,
        host,
        fingerprint: { type: "positional", required: true, description: "The key that was shown, SHA256:…" },
      },
      async run({ args }) {
        print(args, await access(args).api.hosts.acceptKey(args.host, args.fingerprint), details);
      },
    }),
    upgrade,
    rollback,
    commands,
    drain,
    deprovision,
    forget,
    gone,
    found,
    adopt,
    wipe,
  },
});
