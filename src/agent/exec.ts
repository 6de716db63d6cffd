/** Runs one command for one stream, and ends it when the stream breaks. */
import { existsSync } from "node:fs";
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import { EXEC_CHUNK_BYTES, encodeExecChunk } from "../contract/exec-output.ts";
import { type Exit, projectStreams } from "../contract/project-services.ts";
import { CodedError } from "../core/errors.ts";
import { childEnv, type Surroundings } from "./child-env.ts";
import { resolvePath } from "./paths.ts";
import { Pty, spawnError } from "./pty.ts";
import { spawn } from "./spawn.ts";

type Params = z.output<typeof projectStreams.exec.params>;

/** Between SIGHUP and SIGKILL for a command whose asker went away. */
const KILL_AFTER_MS = 3000;
/** Of terminal output that waits for credit before the program is held back. */
const PAUSE_BYTES = 256 * 1024;

export function exec(
  stream: ConatStream,
  raw: unknown,
  around: Surroundings,
  own: Record<string, string | undefined>,
): void {
  const params = projectStreams.exec.params.parse(raw);
  const argv = argvOf(params, around.shell);
  const cwd = resolvePath(around.home, params.cwd ?? ".");
  const env = childEnv(around, own, params.env);
  if (params.tty === undefined) plain(stream, argv, cwd, env, params.as_sshd === true);
  else onTerminal(stream, argv, cwd, env, params.tty);
}

/** Where distributions put it. */
const SFTP_SERVERS = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/libexec/sftp-server",
];

function argvOf({ argv, command, subsystem, as_sshd }: Params, shell: string): string[] {
  if ([argv, command, subsystem].filter((one) => one !== undefined).length > 1) {
    throw new CodedError({ code: "exec.ambiguous", title: "Give argv or command, not both", status: 400 });
  }
  if (argv !== undefined) return argv;
  if (subsystem === undefined)
    return command === undefined ? [shell, "-l"] : [shell, as_sshd === true ? "-c" : "-lc", command];
  const server = SFTP_SERVERS.find((path) => existsSync(path));
  if (server !== undefined) return [server];
  throw new CodedError({
    code: "exec.no-sftp",
    title: "There is no sftp-server in this project",
    why: `Its image has none of ${SFTP_SERVERS.join(", ")}.`,
    fix: "Install it in the project, or copy with scp -O or rsync.",
    command: "sudo apt-get install openssh-sftp-server",
    status: 422,
    exit: 127,
  });
}

function finish(stream: ConatStream, exit: Exit): void {
  if (stream.closed) return;
  stream.sendMessage({ type: "exit", exit });
  stream.end();
  // Input that nobody reads any more must not keep the stream half open.
  stream.onData(() => {});
}

function plain(
  stream: ConatStream,
  argv: string[],
  cwd: string,
  env: Record<string, string>,
  asSshd: boolean,
): void {
  let proc: Bun.Subprocess<"pipe", "pipe", "pipe">;
  try {
    // A session of its own, so that the whole tree can be signalled.
    proc = spawn(argv, { cwd, env, stdin: "pipe", stdout: "pipe", stderr: "pipe", detached: true });
  } catch (error) {
    throw spawnError(error, argv[0] ?? "", cwd);
  }
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-proc.pid, name);
    } catch {
      // The group is gone: so is what was to be told.
    }
  };
  let over = false;
  stream.sendMessage({ type: "started", pid: proc.pid });
  stream.onMessage((message) => {
    const parsed = projectStreams.exec.up.safeParse(message);
    if (parsed.success && parsed.data.type === "signal") signal(parsed.data.signal as NodeJS.Signals);
  });
  stream.onData(async (bytes) => {
    try {
      proc.stdin.write(bytes.slice());
      await proc.stdin.flush();
    } catch {
      // EPIPE: the command does not read on. That is its right.
    }
  });
  stream.onEnd(() => {
    Promise.resolve(proc.stdin.end()).catch(() => {});
  });
  stream.onClose((error) => {
    if (over || error === undefined) return;
    if (asSshd) {
      // Its output ends in copy(), as with sshd: what writes on gets SIGPIPE, what does not lives on.
      Promise.resolve(proc.stdin.end()).catch(() => {});
      return;
    }
    signal("SIGHUP");
    const timer = setTimeout(() => signal("SIGKILL"), KILL_AFTER_MS);
    void proc.exited.then(() => clearTimeout(timer));
  });
  void (async () => {
    const copying = Promise.all([copy(proc.stdout, 1, stream), copy(proc.stderr, 2, stream)]);
    const code = await proc.exited;
    // A background child may hold the pipes open for ever: wait for the end of output, but not without limit.
    await Promise.race([copying, quiet(stream)]);
    over = true;
    finish(
      stream,
      proc.signalCode === null ? { code, signal: null } : { code: null, signal: String(proc.signalCode) },
    );
  })().catch((error: unknown) => stream.reset(error));
}

/** Resolves when the stream broke, or a second after nothing waits for credit any more. */
async function quiet(stream: ConatStream): Promise<void> {
  for (let calm = 0; calm < 10 && !stream.closed; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    calm = stream.pending === 0 ? calm + 1 : 0;
  }
}

async function copy(from: ReadableStream<Uint8Array>, fd: 1 | 2, stream: ConatStream): Promise<void> {
  try {
    for await (const bytes of from) {
      for (let at = 0; at < bytes.length; at += EXEC_CHUNK_BYTES) {
        await stream.write(encodeExecChunk(fd, bytes.subarray(at, at + EXEC_CHUNK_BYTES)));
      }
    }
  } catch (error) {
    // Nobody listens any more; onClose ends the command.
    if (!stream.closed) throw error;
  }
}

function onTerminal(
  stream: ConatStream,
  argv: string[],
  cwd: string,
  env: Record<string, string>,
  tty: NonNullable<Params["tty"]>,
): void {
  let over = false;
  let last: Promise<void> = Promise.resolve();
  const pty = new Pty({
    argv,
    cwd,
    env: tty.term === undefined ? env : { ...env, TERM: tty.term },
    rows: tty.rows,
    cols: tty.cols,
    onData: (bytes) => {
      if (stream.closed || over) return;
      last = stream.write(encodeExecChunk(1, bytes)).then(
        () => {
          if (stream.pending < PAUSE_BYTES / 2) pty.resume();
        },
        () => {},
      );
      if (stream.pending > PAUSE_BYTES) pty.pause();
    },
    onExit: (exit) => {
      over = true;
      void last.then(() => finish(stream, exit));
    },
  });
  stream.sendMessage({ type: "started", pid: pty.pid });
  stream.onData((bytes) => pty.write(bytes));
  stream.onMessage((message) => {
    const parsed = projectStreams.exec.up.safeParse(message);
    if (!parsed.success) return;
    if (parsed.data.type === "resize") pty.resize(parsed.data.rows, parsed.data.cols);
    else pty.signal(parsed.data.signal as NodeJS.Signals);
  });
  // The end of input on a terminal is a hangup's business, not ^D's: ssh does not send one either.
  stream.onEnd(() => {});
  stream.onClose((error) => {
    if (!over && error !== undefined) pty.close();
  });
}
