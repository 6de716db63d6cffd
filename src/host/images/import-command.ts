/** `cocalc-project-host import-image --dir D --name N (--oci REF | --tar FILE)`; `cocalc-hub image add` calls it. */
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";

export default command({
  meta: { name: "import-image", description: "Make an image of what podman can pull, or of a tarball" },
  args: {
    json: common.json,
    dir: { type: "string", required: true, valueHint: "DIR", description: "The hub's images directory" },
    name: { type: "string", required: true, description: "What projects call it" },
    oci: {
      type: "string",
      valueHint: "REF",
      description: "Anything that podman can pull, oci-archive:FILE too",
    },
    tar: { type: "string", valueHint: "FILE", description: "A tar of a root file system" },
  },
  async run({ args }) {
    const source = args.oci !== undefined ? { oci: args.oci } : { tar: args.tar ?? "" };
    const bad = !/^[a-z0-9-]{1,50}$/.test(args.name) || args.name === "base" || args.name === "system";
    if (bad || (args.oci === undefined) === (args.tar === undefined) || args.oci?.startsWith("-")) {
      throw new CodedError({
        code: "cli.bad-value",
        title:
          "Say a name of lower-case letters, digits and dashes (not base, not system), and either --oci or --tar",
        exit: EX.USAGE,
      });
    }
    const { importImage } = await import("./import-image.ts");
    const image = await importImage(args.dir, args.name, source, (line) =>
      process.stderr.write(`${args.name}: ${line}\n`),
    );
    print(args, image, (value) => value.digest);
  },
});
