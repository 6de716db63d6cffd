/** `project exec`: a command in a project, with its own streams and exit code. */
import { constants } from "node:os";
import { ExecDecoder } from "../../contract/exec-output.ts";
import { openProject } from "../../contract/project-client.ts";
import type { Exit } from "../../contract/project-services.ts";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubAccess } from "./client.ts";
import { inProject } from "./in-project.ts";

/** Status as a shell gives it: 128 + signal. */
function status(exit: Exit): number {
  if (exit.code !== null) return exit.code;
  const number = constants.signals[exit.signal as keyof typeof constants.signals];
  return 128 + (number ?? 0);
}

export async function execInProject(
  access: HubAccess,
  key: string,
  argv: string[],
  cwd: string | undefined,
): Promise<number> {
  if (argv.length === 0) {
    throw new CodedError({
      code: "cli.missing-argument",
      title: "There is no command to run",
      fix: "cocalc-hub project exec ID -- CMD…",
      exit: EX.USAGE,
    });
  }
  return await inProject(access, key, async (host, { project_id }) => {
    const { stream, onMessage } = await openProject(host, project_id, "exec", {
      argv,
      ...(cwd === undefined ? {} : { cwd }),
    });
    const decoder = new ExecDecoder();
    let exit: Exit | undefined;
    onMessage((message) => {
      if (message.type === "exit") exit = message.exit;
    });
    const closed = new Promise<void>((resolve, reject) => {
      stream.onClose((error) => (error && exit === undefined ? reject(error) : resolve()));
    });
    // The command is over: what is left of our input is nobody's.
    stream.onEnd(() => stream.end());
    stream.onData((bytes) => {
      decoder.push(bytes, (fd, part) => {
        (fd === 1 ? process.stdout : process.stderr).write(part);
      });
    });
    // A terminal's standard input would hold the command open for a person who only wants its output.
    if (process.stdin.isTTY) stream.end();
    else
      void (async () => {
        for await (const chunk of Bun.stdin.stream()) await stream.write(chunk);
        stream.end();
      })().catch(() => {});
    await closed;
    if (exit === undefined) {
      throw new CodedError({
        code: "exec.lost",
        title: "The connection ended before the command did",
        exit: EX.TEMPFAIL,
      });
    }
    return status(exit);
  });
}
