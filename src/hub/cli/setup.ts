import { readFileSync } from "node:fs";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { access } from "./client.ts";

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
    const file = args["password-file"];
    let text: string;
    try {
      text = file === "-" ? await Bun.stdin.text() : readFileSync(file, "utf8");
    } catch (error) {
      throw new CodedError({
        code: "cli.password-file",
        title: `The password file ${file} cannot be read`,
        why: messageOf(error),
        exit: EX.NOINPUT,
      });
    }
    const password = text.split("\n")[0] ?? "";
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
