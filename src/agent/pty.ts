/** A program on a pseudo-terminal: its bytes both ways, its end, and its output held back when nobody keeps up. */
import type { Exit } from "../contract/project-services.ts";
import { CodedError, errnoOf, messageOf } from "../core/errors.ts";
import { spawn } from "./spawn.ts";
import { TtyFlow } from "./tty-flow.ts";

/** After the program's end its last output is awaited until nothing came for this long … */
const QUIET_MS = 40;
/** … but no longer than this: a background job may hold the terminal open and go on writing. */
const DRAIN_LIMIT_MS = 1000;
/** Between SIGHUP and SIGKILL. */
const KILL_AFTER_MS = 3000;

export interface PtyOptions {
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  rows: number;
  cols: number;
  onData: (bytes: Uint8Array) => void;
  /** Once, after the last output. */
  onExit: (exit: Exit) => void;
}

/**
 * Bun gives the program the terminal as its streams, but no session of its own: without a controlling terminal a shell
 * has no job control and Ctrl-C reaches nobody (seen with 1.4.5). util-linux's setsid makes both, in the same process.
 */
function withControllingTerminal(argv: string[], env: Record<string, string>): string[] {
  const program = argv[0] ?? "";
  const path = env.PATH ?? "";
  const setsid = Bun.which("setsid", { PATH: path });
  // A program that is not there must fail as itself, not as setsid.
  if (setsid === null || Bun.which(program, { PATH: path }) === null) return argv;
  return [setsid, "--ctty", "--", ...argv];
}

export class Pty {
  readonly pid: number;
  #terminal: Bun.Terminal;
  #proc: Bun.Subprocess;
  #drained: (() => void)[] = [];
  #flow: TtyFlow;
  #ended = false;
  #closed = false;
  #lastData = 0;

  /** Throws `exec.not-found` and its kind when the program cannot be started. */
  constructor(options: PtyOptions) {
    this.#terminal = new Bun.Terminal({
      rows: options.rows,
      cols: options.cols,
      data: (_, bytes) => {
        this.#lastData = performance.now();
        options.onData(bytes);
      },
      drain: () => this.#wake(),
      exit: () => {
        this.#ended = true;
      },
    });
    try {
      this.#proc = spawn(withControllingTerminal(options.argv, options.env), {
        terminal: this.#terminal,
        cwd: options.cwd,
        env: options.env,
      });
    } catch (error) {
      this.#terminal.close();
      throw spawnError(error, options.argv[0] ?? "", options.cwd);
    }
    this.pid = this.#proc.pid;
    this.#flow = new TtyFlow(this.pid);
    void this.#watch(options.onExit);
  }

  /** Resolves once the program's side took it; a program that does not read holds back its typist. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.resolve();
    // Copied: the frame's buffer is not ours to keep while the terminal flushes.
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#terminal.write(bytes.slice());
    });
  }

  resize(rows: number, cols: number): void {
    if (!this.#closed) this.#terminal.resize(cols, rows);
  }

  /** Holds the program's output back. Where the terminal cannot be stopped, whoever keeps the output bounds it. */
  pause(): void {
    if (!this.#closed) this.#flow.stop();
  }

  resume(): void {
    this.#flow.start();
  }

  /** A signal to the program's process group. */
  signal(name: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, name);
    } catch {
      // It is gone already, or its group is: nothing to tell.
      this.#proc.kill(name);
    }
  }

  /** SIGHUP as when a window closes; SIGKILL to what stays. */
  close(): void {
    if (this.#closed) return;
    this.resume();
    this.signal("SIGHUP");
    this.signal("SIGCONT");
    const timer = setTimeout(() => this.signal("SIGKILL"), KILL_AFTER_MS);
    void this.#proc.exited.then(() => clearTimeout(timer));
  }

  async #watch(onExit: (exit: Exit) => void): Promise<void> {
    const code = await this.#proc.exited;
    const signal = this.#proc.signalCode;
    // What a paused terminal still holds must come out before the end.
    this.resume();
    const since = performance.now();
    this.#lastData = since;
    // The exit can be seen before the last output (measured): drain until quiet.
    while (!this.#ended) {
      const now = performance.now();
      if (now - this.#lastData >= QUIET_MS || now - since >= DRAIN_LIMIT_MS) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#closed = true;
    // Not left to the garbage collector: 300 spawns left 58 descriptors open.
    this.#terminal.close();
    this.#wake();
    onExit(signal === null ? { code, signal: null } : { code: null, signal: String(signal) });
  }

  #wake(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

export function spawnError(error: unknown, program: string, cwd: string): CodedError {
  const errno = errnoOf(error);
  const what = program.slice(0, 200);
  if (errno === "ENOENT" || errno === "EACCES" || errno === "ENOTDIR") {
    return new CodedError(
      {
        code: errno === "EACCES" ? "exec.denied" : "exec.not-found",
        title: `${what} cannot be started`,
        why: `${messageOf(error)} (in ${cwd.slice(0, 200)})`,
        status: 422,
        exit: errno === "EACCES" ? 126 : 127,
      },
      { cause: error },
    );
  }
  if (errno === "EAGAIN") {
    return new CodedError(
      {
        code: "exec.too-many",
        title: `${what} cannot be started: the project has as many processes as it may`,
        why: messageOf(error),
        fix: "End some of them, or have its limit raised: the project's settings, or the command.",
        command: "cocalc-hub project limits PROJECT --pids N",
        status: 503,
      },
      { cause: error },
    );
  }
  return new CodedError(
    { code: "exec.failed", title: `${what} cannot be started`, why: messageOf(error), status: 503 },
    { cause: error },
  );
}
