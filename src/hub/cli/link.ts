/** `cocalc-hub link …`: links by which anyone may use one app of a project for a while. */
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;

function pathOf(args: { app?: string | undefined; port?: string | undefined }): string {
  if (args.app !== undefined && args.port === undefined) return `/apps/${args.app}`;
  if (args.port !== undefined && args.app === undefined) return `/proxy/${args.port}`;
  throw new CodedError({
    code: "cli.bad-value",
    title: "A link leads to one app or one port",
    fix: "Give --app NAME or --port N.",
    exit: EX.USAGE,
  });
}

export default command({
  meta: { name: "link", description: "Links to an app, for anyone who has them" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "The links of a project" },
      args: { ...common, project },
      async run({ args }) {
        print(args, await access(args).api.apps.links(args.project), (all) =>
          table(
            ["ID", "TO", "BY", "ENDS", "VISITORS"],
            all.map((one) => [
              one.link_id,
              one.path,
              one.created_by.name,
              one.expires_at,
              String(one.visits),
            ]),
          ),
        );
      },
    }),
    create: command({
      meta: { name: "create", description: "Makes a link; it is printed this once" },
      args: {
        ...common,
        project,
        app: { type: "string", valueHint: "NAME", description: "The app" },
        port: { type: "string", valueHint: "N", description: "Or the port of whatever listens there" },
        hours: { type: "string", valueHint: "N", description: "So long it works (default 24, at most 720)" },
      },
      async run({ args }) {
        const made = await access(args).api.apps.createLink(args.project, {
          path: pathOf(args),
          hours: Number(args.hours ?? 24),
        });
        print(args, made, (one) => one.url);
      },
    }),
    revoke: command({
      meta: { name: "revoke", description: "Takes a link back; its visitors are out at once" },
      args: {
        ...common,
        project,
        link: { type: "positional", required: true, description: "The link's id" },
      },
      async run({ args }) {
        await access(args).api.apps.revokeLink(args.project, args.link);
        print(args, { revoked: args.link }, () => "revoked");
      },
    }),
  },
});
