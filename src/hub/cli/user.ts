import type { Account } from "../../contract/api.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access, readPassword } from "./client.ts";

const user = { type: "positional", required: true, description: "E-mail address or id" } as const;
const role = {
  type: "enum" as const,
  options: ["user", "admin"],
  default: "user",
  description: "user or admin",
};
const line = (one: Account) =>
  `${one.account_id}  ${one.email}  ${one.role}${one.suspended ? "  suspended" : ""}`;

export default command({
  meta: { name: "user", description: "Accounts" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "All accounts" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.users.list(), (all) =>
          table(
            ["ID", "NAME", "EMAIL", "ROLE", "SUSPENDED"],
            all.map((one) => [one.account_id, one.name, one.email, one.role, one.suspended ? "yes" : ""]),
          ),
        );
      },
    }),
    create: command({
      meta: { name: "create", description: "Makes an account" },
      args: {
        ...common,
        role,
        email: { type: "string", required: true, description: "E-mail address" },
        name: { type: "string", required: true, description: "Name that others see" },
        "password-file": {
          type: "string",
          required: true,
          description: "File whose first line is the password",
        },
      },
      async run({ args }) {
        const password = await readPassword(args["password-file"]);
        const { email, name } = args;
        print(
          args,
          await access(args).api.users.create({
            email,
            name,
            password,
            role: args.role === "admin" ? "admin" : "user",
          }),
          (made) => made.account_id,
        );
      },
    }),
    invite: command({
      meta: { name: "invite", description: "Prints a link by which somebody makes an account" },
      args: { ...common, role },
      async run({ args }) {
        print(
          args,
          await access(args).api.users.invite(args.role === "admin" ? "admin" : "user"),
          (made) => made.url,
        );
      },
    }),
    suspend: command({
      meta: { name: "suspend", description: "Ends an account's sessions and keeps it out" },
      args: { ...common, user, undo: { type: "boolean", description: "Let it in again" } },
      async run({ args }) {
        print(args, await access(args).api.users.update(args.user, { suspended: args.undo !== true }), line);
      },
    }),
    role: command({
      meta: { name: "role", description: "Makes an account an admin, or a user" },
      args: { ...common, user, role: { type: "positional", required: true, description: "user or admin" } },
      async run({ args }) {
        print(args, await access(args).api.users.update(args.user, { role: args.role as "user" }), line);
      },
    }),
  },
});
