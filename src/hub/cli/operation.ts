import type { Operation } from "../../contract/api.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access } from "./client.ts";
import { watch } from "./follow.ts";

const id = { type: "positional", required: true, description: "The operation's id" } as const;
const details = (one: Operation) =>
  [
    `${one.kind} ${one.subject.name}: ${one.state}`,
    ...one.steps.map(
      (step) => `  ${step.state.padEnd(8)} ${step.label}${step.detail ? `: ${step.detail}` : ""}`,
    ),
    ...(one.problem ? [`problem  ${one.problem.title}  [${one.problem.code}]`] : []),
  ].join("\n");

export default command({
  meta: { name: "operation", description: "What takes or took time" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "The last operations" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.operations.list(), (all) =>
          table(
            ["ID", "KIND", "SUBJECT", "STATE", "BEGAN"],
            all.map((one) => [one.operation_id, one.kind, one.subject.name, one.state, one.created_at]),
          ),
        );
      },
    }),
    show: command({
      meta: { name: "show", description: "One operation" },
      args: { ...common, id },
      async run({ args }) {
        print(args, await access(args).api.operations.get(args.id), details);
      },
    }),
    wait: command({
      meta: { name: "wait", description: "Waits until an operation ended; its failure is the command's" },
      args: { ...common, id },
      async run({ args }) {
        const { api } = access(args);
        print(args, await watch(api, await api.operations.get(args.id)), details);
      },
    }),
    cancel: command({
      meta: { name: "cancel", description: "Cancels an operation at its next step" },
      args: { ...common, id },
      async run({ args }) {
        print(args, await access(args).api.operations.cancel(args.id), details);
      },
    }),
  },
});
