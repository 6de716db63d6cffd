/** `cocalc-project-host make-base-image --dir D --json` */
import { command, common, print } from "../../core/cli.ts";

export default command({
  meta: {
    name: "make-base-image",
    description: "Make the base image from this machine's own package sources",
  },
  args: {
    json: common.json,
    dir: {
      type: "string",
      required: true,
      valueHint: "DIR",
      description: "Where base.json and the archive go",
    },
    force: { type: "boolean", description: "Make it anew even when there is one" },
  },
  async run({ args }) {
    const { makeBaseImage } = await import("./make-base.ts");
    const base = await makeBaseImage(args.dir, (line) => process.stderr.write(`base image: ${line}\n`), {
      force: args.force === true,
    });
    print(args, base, (value) => value.digest);
  },
});
