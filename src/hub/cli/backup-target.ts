/** `cocalc-hub backup target`: where new backups go. */
import { readFileSync } from "node:fs";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { access } from "./client.ts";

const word = (description: string, valueHint: string) =>
  ({ type: "string", valueHint, description }) as const;

export const backupTarget = command({
  meta: {
    name: "target",
    description: "Where new backups go: a bucket, tried at once, or with --local this hub's disk",
  },
  args: {
    ...common,
    local: { type: "boolean", description: "The hub's disk: setting backup_path" },
    endpoint: word("URL of the S3-compatible storage", "URL"),
    region: word("Its region (default: us-east-1)", "REGION"),
    bucket: word("The bucket, which is there already", "BUCKET"),
    root: word("Folder in the bucket (default: /cocalc)", "PATH"),
    "keys-file": word("Two lines: access key id, secret access key", "FILE"),
  },
  async run({ args }) {
    const { api } = access(args);
    const { endpoint, bucket } = args;
    const file = args["keys-file"];
    if (args.local) {
      print(args, await api.backups.setTarget({ kind: "local" }), () => "new backups go to the hub's disk");
      return;
    }
    if (endpoint === undefined || bucket === undefined || file === undefined) {
      throw new CodedError({
        code: "cli.missing-flag",
        title: "cocalc-hub backup target needs --endpoint, --bucket and --keys-file, or --local",
        fix: "See cocalc-hub backup target --help.",
        exit: EX.USAGE,
      });
    }
    const [access_key_id = "", secret_access_key = ""] = readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    const set = await api.backups.setTarget({
      kind: "s3",
      endpoint,
      bucket,
      region: args.region ?? "us-east-1",
      root: args.root ?? "/cocalc",
      access_key_id,
      secret_access_key,
    });
    print(args, set, () => `new backups go to ${bucket} at ${endpoint}; it was tried`);
  },
});
