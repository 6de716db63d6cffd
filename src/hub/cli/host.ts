import type { Host } from "../../contract/api.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";

const host = { type: "positional", required: true, description: "The host's id or name" } as const;
const rtt = (one: Host) => (one.tunnel.rtt_ms === null ? "" : `${one.tunnel.rtt_ms.toFixed(1)} ms`);
const details = (one: Host) =>
  [
    `id       ${one.host_id}`,
    `name     ${one.name}`,
    `kind     ${one.type.kind}`,
    `state    ${one.state}`,
    `tunnel   ${one.tunnel.state} ${rtt(one)}`,
    `key      ${one.key_fingerprint}`,
    `ssh port ${one.ssh_port}`,
    `version  ${one.report?.version ?? "unknown"}`,
    ...one.checklist.map(
      (step) => `  ${step.state.padEnd(8)} ${step.label}${step.detail ? ` (${step.detail})` : ""}`,
    ),
    ...(one.problem ? [`problem  ${one.problem.title}  [${one.problem.code}]`] : []),
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
            ["ID", "NAME", "KIND", "STATE", "TUNNEL", "RTT"],
            all.map((one) => [one.host_id, one.name, one.type.kind, one.state, one.tunnel.state, rtt(one)]),
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
    revoke: command({
      meta: { name: "revoke", description: "Revokes a host's key and ends its session" },
      args: { ...common, host },
      async run({ args }) {
        print(args, await access(args).api.hosts.revoke(args.host), details);
      },
    }),
    forget: command({
      meta: { name: "forget", description: "Forgets a host that has no projects" },
      args: { ...common, host },
      async run({ args }) {
        await access(args).api.hosts.forget(args.host);
        print(args, { forgotten: args.host }, (one) => `forgot ${one.forgotten}`);
      },
    }),
  },
});
