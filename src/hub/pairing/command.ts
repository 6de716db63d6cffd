/**
 * `cocalc-hub pair-handshake`: the forced command of a pairing key. One JSON request on stdin, one JSON answer on
 * stdout; whoever holds the key reaches nothing but this.
 */
import { command, common } from "../../core/cli.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { hubPaths } from "../../core/paths.ts";

const MAX_REQUEST_BYTES = 64 * 1024;

export default command({
  meta: { name: "pair-handshake", description: "Answers a machine that pairs over SSH (run by sshd)" },
  args: { ...common, token: { type: "string", required: true, description: "The join token's id" } },
  async run({ args }) {
    try {
      const text = await readBounded();
      const response = await fetch("http://localhost/api/local/pair-handshake", {
        unix: hubPaths(args["data-dir"]).socket,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          token_id: args.token,
          request: JSON.parse(text),
          // sshd's own word: "address port address port".
          from: (process.env.SSH_CONNECTION ?? "").split(" ")[0] ?? "",
        }),
      });
      process.stdout.write(`${await response.text()}\n`);
      process.exitCode = response.ok ? 0 : 1;
    } catch (error) {
      process.stdout.write(`${JSON.stringify(toProblem(error))}\n`);
      process.exitCode = 1;
    }
  },
});

async function readBounded(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of Bun.stdin.stream()) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES)
      throw new CodedError({ code: "pair.too-large", title: "The request is too large" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
