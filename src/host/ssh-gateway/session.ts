/** A session channel: a shell, a command or sftp, run by the project's agent. */
import type { ServerChannel, Session } from "ssh2";
import type { z } from "zod";
import type { Peer } from "../../conat/peer.ts";
import type { ConatStream } from "../../conat/stream.ts";
import { ExecDecoder } from "../../contract/exec-output.ts";
import { openProject } from "../../contract/project-client.ts";
import type { Exit, projectStreams } from "../../contract/project-services.ts";
import { CodedError, messageOf, type ProblemDetails } from "../../core/errors.ts";
import { ChannelWriter, pumpUp } from "./pipe.ts";

/** Between the client's leaving and the hangup of what it ran. */
const SESSION_LINGER_MS = 1_000;
const MAX_ENV = 100;
const MAX_ENV_BYTES = 32 * 1024;
/** What of the environment is the agent's own to say. */
const RESERVED = /^(COCALC_.*|HOME|USER|LOGNAME|SHELL|PATH)$/;

export interface SessionContext {
  project_id: string;
  /** A connection to the agent; starts the project first when it is stopped, and tells `say` so. */
  agent(say: (line: string) => void): Promise<Peer>;
  /** `SSH_CONNECTION` and its kind. */
  env: Record<string, string>;
  /** Opens the client's agent in the project; resolves to its socket's path. */
  forwardAgent(): Promise<string>;
  countChannel(channel: ServerChannel): void;
}

type ExecParams = z.input<(typeof projectStreams)["exec"]["params"]>;
type Run = Pick<ExecParams, "command" | "subsystem">;

/** A client without a terminal of its own says 0 by 0. */
const rowsOf = (value: number) => Math.min(1000, Math.max(1, Math.trunc(value) || 24));
const colsOf = (value: number) => Math.min(2000, Math.max(1, Math.trunc(value) || 80));

export function serveSession(session: Session, context: SessionContext): void {
  const env: Record<string, string> = {};
  let envBytes = 0;
  let tty: ExecParams["tty"];
  let wantsAgent = false;
  let stream: ConatStream | undefined;

  session.on("env", (accept, reject, { key, val }) => {
    envBytes += key.length + val.length;
    const good =
      /^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(key) &&
      !RESERVED.test(key) &&
      !val.includes("\0") &&
      envBytes <= MAX_ENV_BYTES &&
      Object.keys(env).length < MAX_ENV;
    if (!good) {
      reject?.();
      return;
    }
    env[key] = val;
    accept?.();
  });
  session.on("pty", (accept, _reject, info) => {
    const { rows, cols, term } = info as typeof info & { term?: string };
    tty = { rows: rowsOf(rows), cols: colsOf(cols), term: (term || "xterm").slice(0, 60) };
    accept?.();
  });
  session.on("window-change", (accept, _reject, { rows, cols }) => {
    const size = { rows: rowsOf(rows), cols: colsOf(cols) };
    if (tty !== undefined) tty = { ...tty, ...size };
    if (stream !== undefined && tty !== undefined) stream.sendMessage({ type: "resize", ...size });
    accept?.();
  });
  session.on("signal", (accept, _reject, { name }) => {
    if (/^[A-Z0-9]{2,10}$/.test(name)) stream?.sendMessage({ type: "signal", signal: `SIG${name}` });
    accept?.();
  });
  session.on("auth-agent", (accept) => {
    wantsAgent = true;
    accept?.();
  });
  const begin = (channel: ServerChannel | undefined, run: Run) => {
    if (channel === undefined) return;
    channel.on("error", () => {});
    context.countChannel(channel);
    runIn(channel, run).catch((error: unknown) => refuse(channel, error, tty !== undefined));
  };
  session.on("shell", (accept) => begin(accept?.(), {}));
  session.on("exec", (accept, _reject, { command }) => begin(accept?.(), { command }));
  session.on("subsystem", (accept, reject, { name }) => {
    if (name === "sftp") begin(accept?.(), { subsystem: "sftp" });
    else reject?.();
  });

  async function runIn(channel: ServerChannel, run: Run): Promise<void> {
    const say = (line: string) => void channel.stderr.write(`${line}${tty === undefined ? "\n" : "\r\n"}`);
    let gone = false;
    channel.once("close", () => {
      gone = true;
    });
    const agent = await context.agent(say);
    const given = { ...context.env, ...env };
    if (wantsAgent) given.SSH_AUTH_SOCK = await context.forwardAgent();
    if (gone) return;
    const opened = await openProject(agent, context.project_id, "exec", {
      ...run,
      as_sshd: true,
      env: given,
      ...(tty === undefined ? {} : { tty }),
    });
    stream = opened.stream;
    carry(channel, opened.stream, opened.onMessage);
  }
}

function carry(
  channel: ServerChannel,
  stream: ConatStream,
  onMessage: (callback: (message: { type: "started" } | { type: "exit"; exit: Exit }) => void) => void,
): void {
  const writer = new ChannelWriter(channel);
  const decoder = new ExecDecoder();
  let exit: Exit | undefined;
  onMessage((message) => {
    if (message.type === "exit") exit = message.exit;
  });
  let last: Promise<void> = Promise.resolve();
  stream.onData((bytes) => {
    decoder.push(bytes, (fd, part) => {
      last = writer.write(fd, part);
    });
    return last;
  });
  pumpUp(channel, stream, SESSION_LINGER_MS);
  let over = false;
  const end = (error?: CodedError) => {
    if (over) return;
    over = true;
    void last.then(() => {
      if (exit === undefined) refuse(channel, error ?? new Error("it ended without a status"), false);
      else finish(channel, exit);
    });
  };
  // The command ended: its client may keep its input open as long as it likes.
  stream.onEnd(() => {
    end();
    stream.end();
  });
  stream.onClose(end);
}

function finish(channel: ServerChannel, exit: Exit): void {
  if (exit.signal === null) channel.exit(exit.code ?? 255);
  else channel.exit(exit.signal.replace(/^SIG/, ""), false, "");
  channel.end();
}

/** What a person sees in place of the program. */
function refuse(channel: ServerChannel, error: unknown, tty: boolean): void {
  const problem: ProblemDetails =
    error instanceof CodedError ? error.details : { code: "internal", title: messageOf(error) };
  const lines = [`cocalc: ${problem.title}`];
  for (const more of [problem.why, problem.fix, problem.command]) if (more) lines.push(`  ${more}`);
  const text = lines.join("\n").replaceAll(/[^\n\x20-\x7e\u00a0-\uffff]/g, "?");
  channel.stderr.write(`${tty ? text.replaceAll("\n", "\r\n") : text}${tty ? "\r\n" : "\n"}`);
  channel.exit(problem.exit ?? 255);
  channel.end();
}
