import type { SshKey } from "../../contract/api-ssh.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { access, readText } from "./client.ts";

const project = {
  type: "string",
  valueHint: "ID",
  description: "Of a project, by id or name, instead of one's account",
} as const;

const rows = (keys: SshKey[]) =>
  table(
    ["ID", "NAME", "TYPE", "FINGERPRINT", "LAST USED"],
    keys.map((one) => [
      one.key_id,
      one.name,
      `${one.type} ${one.bits}`,
      one.fingerprint,
      one.last_used_at ?? "never",
    ]),
  );

export default command({
  meta: { name: "ssh-key", description: "SSH keys of one's account, and of projects" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "The keys that may log in" },
      args: { ...common, project },
      async run({ args }) {
        const { ssh } = access(args).api;
        print(args, await (args.project ? ssh.projectKeys(args.project) : ssh.keys()), rows);
      },
    }),
    add: command({
      meta: { name: "add", description: "Adds a public key" },
      args: {
        ...common,
        project,
        file: { type: "positional", required: true, description: "A .pub file, or - for standard input" },
        name: { type: "string", description: "Its name, instead of the key's own comment" },
      },
      async run({ args }) {
        const { ssh } = access(args).api;
        const key = args.file === "-" ? await Bun.stdin.text() : readText(args.file);
        const body = args.name === undefined ? { key } : { key, name: args.name };
        const added = await (args.project ? ssh.addProjectKey(args.project, body) : ssh.addKey(body));
        print(args, added, (one) => one.key_id);
      },
    }),
    remove: command({
      meta: { name: "remove", description: "Removes a key; what is logged in with it is ended" },
      args: {
        ...common,
        project,
        key: { type: "positional", required: true, description: "Its id or fingerprint" },
      },
      async run({ args }) {
        const { ssh } = access(args).api;
        await (args.project ? ssh.removeProjectKey(args.project, args.key) : ssh.removeKey(args.key));
        print(args, { removed: args.key }, () => "removed");
      },
    }),
  },
});
