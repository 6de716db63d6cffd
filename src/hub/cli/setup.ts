import { command, common, print } from "../../core/cli.ts";
import { access, readPassword } from "./client.ts";

export default command({
  meta: { name: "setup", description: "Makes the first account, an admin, without a browser" },
  args: {
    ...common,
    email: { type: "string", required: true, valueHint: "E", description: "E-mail address to sign in with" },
    name: {
      type: "string",
      valueHint: "N",
      description: "Name that others see (default: what is before the @)",
    },
    "password-file": {
      type: "string",
      required: true,
      valueHint: "F",
      description: "File whose first line is the password; - for standard input",
    },
  },
  async run({ args }) {
    const password = await readPassword(args["password-file"]);
    const { api } = access(args);
    const account = await api.setup.run({
      // Over the unix socket the token is not asked for: whoever can open it is the administrator already.
      token: "local",
      name: args.name ?? args.email.split("@")[0] ?? args.email,
      email: args.email,
      password,
    });
    print(args, account, (made) => `${made.account_id}`);
  },
});
