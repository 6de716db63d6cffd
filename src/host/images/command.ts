/** `cocalc-project-host make-base-image --dir D --json` */
import { command, common, print } from "../../core/cli.ts";
import { serviceNotifier } from "../../core/notify.ts";

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
    // Ended with whoever started it: what it was making is taken away, not left to fill the disk.
    const ended = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => ended.abort());
    serviceNotifier().status("fetches packages and makes the base image: minutes, once");
    const { makeBaseImage } = await import("./make-base.ts");
    const base = await makeBaseImage(args.dir, (line) => process.stderr.write(`base image: ${line}\n`), {
      force: args.force === true,
      signal: ended.signal,
    });
    print(args, base, (value) => value.digest);
  },
});
