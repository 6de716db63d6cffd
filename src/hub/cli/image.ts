/** `cocalc-hub image …`. Making one needs root on the hub's machine; the rest goes by the API. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv } from "../../core/exec.ts";
import { sizeText } from "../../core/size.ts";
import { access, localHubPaths } from "./client.ts";

const name = { type: "positional", required: true, description: "The image's name" } as const;
const manifestSchema = z.object({
  source: z.union([z.object({ oci: z.string() }), z.object({ tar: z.string() })]).optional(),
});

/** Runs the program that makes images, with its talk on our stderr; its digest. */
async function make(args: string[]): Promise<string> {
  const binary = join(dirname(process.execPath), "cocalc-project-host");
  const proc = Bun.spawn([binary, ...args], { cwd: "/", env: cleanEnv(), stdout: "pipe", stderr: "inherit" });
  const digest = (await new Response(proc.stdout).text()).trim();
  const code = await proc.exited;
  if (code === 0) return digest;
  throw new CodedError({
    code: "image.not-made",
    title: "The image was not made; the lines above say why",
    exit: code,
  });
}

const made = (args: { json?: boolean | undefined }, image: string, digest: string) =>
  print(args, { image, digest }, (one) => one.digest);

export default command({
  meta: { name: "image", description: "Root file systems of projects" },
  subCommands: {
    list: command({
      meta: { name: "list", description: "Images the hub hands out, and each host's own programs (system)" },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.images.list(), (all) =>
          table(
            ["IMAGE", "SIZE", "PROJECTS", "MADE", "FROM", "DIGEST"],
            all.flatMap((one) => [
              [
                one.image,
                one.bytes === null ? "" : sizeText(one.bytes),
                String(one.projects),
                one.created_at?.slice(0, 10) ?? "",
                one.source ?? (one.hosts ? "each host's own programs" : "this machine's distribution"),
                one.digest?.slice(0, 12) ?? "",
              ],
              ...(one.hosts ?? []).map((host) => [
                `  on ${host.name}`,
                "",
                "",
                "",
                host.digest ? "" : (host.problem?.title ?? "not told yet"),
                host.digest?.slice(0, 12) ?? "",
              ]),
              ...one.previous.map((old) => [
                "  before",
                sizeText(old.bytes),
                String(old.projects),
                old.created_at.slice(0, 10),
                old.backed_up ? "needed by a backup" : "",
                old.digest.slice(0, 12),
              ]),
            ]),
          ),
        );
      },
    }),
    add: command({
      meta: { name: "add", description: "Makes an image of what podman can pull, or of a tarball (as root)" },
      args: {
        ...common,
        name,
        oci: {
          type: "string",
          valueHint: "REF",
          description: "Anything that podman can pull, oci-archive:FILE too",
        },
        tar: { type: "string", valueHint: "FILE", description: "A tar of a root file system" },
      },
      async run({ args }) {
        const source = [
          ...(args.oci === undefined ? [] : ["--oci", args.oci]),
          ...(args.tar === undefined ? [] : ["--tar", args.tar]),
        ];
        const { images } = localHubPaths(args);
        made(args, args.name, await make(["import-image", "--dir", images, "--name", args.name, ...source]));
      },
    }),
    upgrade: command({
      meta: {
        name: "upgrade",
        description: "Makes an image anew from where it came (as root); projects on the old one keep it",
      },
      args: { ...common, name },
      async run({ args }) {
        const { images } = localHubPaths(args);
        if (args.name === "base") {
          made(args, args.name, await make(["make-base-image", "--dir", images, "--force"]));
          return;
        }
        let source: z.infer<typeof manifestSchema>["source"];
        try {
          ({ source } = manifestSchema.parse(
            JSON.parse(readFileSync(join(images, `${args.name}.json`), "utf8")),
          ));
        } catch {
          source = undefined;
        }
        if (source === undefined) {
          throw new CodedError({
            code: "image.not-found",
            title: `There is no image ${args.name} that was added here`,
            fix: "See the list: cocalc-hub image list.",
            exit: EX.NOINPUT,
          });
        }
        const again = "oci" in source ? ["--oci", source.oci] : ["--tar", source.tar];
        made(args, args.name, await make(["import-image", "--dir", images, "--name", args.name, ...again]));
      },
    }),
    prune: command({
      meta: {
        name: "prune",
        description: "Deletes archives of earlier versions that no project and no backup needs any more",
      },
      args: common,
      async run({ args }) {
        print(args, await access(args).api.images.prune(), ({ removed, unknown }) =>
          unknown.length > 0
            ? `nothing was removed: of ${unknown.join(", ")} it is not known yet which version they began with; start them once, or wait until their host is there`
            : removed.length === 0
              ? "nothing to remove"
              : removed
                  .map((one) => `removed ${one.digest.slice(0, 12)} (${sizeText(one.bytes)})`)
                  .join("\n"),
        );
      },
    }),
    remove: command({
      meta: { name: "remove", description: "No new project gets it; refused while a project has it" },
      args: { ...common, name },
      async run({ args }) {
        await access(args).api.images.remove(args.name);
        print(args, { removed: args.name }, (one) => `removed ${one.removed}`);
      },
    }),
  },
});
