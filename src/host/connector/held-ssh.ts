/**
 * The tunnel's ssh, as a process that outlives the connector: its input and output are fifos, which the next connector
 * opens again. So a restart or an upgrade of the connector cuts no tunnel, and no SSH session that goes through it.
 */
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { errnoOf } from "../../core/errors.ts";
import { cleanEnv, execOk } from "../../core/exec.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";

const POLL_MS = 250;

const recordSchema = z.object({ pid: z.number(), argv: z.array(z.string()) });

export interface HeldSsh {
  /** It ran already. */
  adopted: boolean;
  write(text: string): void;
  onData(callback: (text: string) => void): void;
  /** Resolves once it is no more, with what it said on standard error. */
  ended: Promise<string>;
  kill(): void;
  /** Leaves it to the next connector. */
  release(): void;
}

function files(runDir: string) {
  const at = (kind: string) => join(runDir, `tunnel.${kind}`);
  return { record: at("json"), input: at("in"), output: at("out"), said: at("err") };
}

/**
 * Its end of the input, or undefined once nobody reads there: it has ended. `/proc` cannot be asked, where processes of
 * an earlier run of the unit, in a user namespace of its own, are not seen.
 */
function writingEnd(input: string): number | undefined {
  try {
    return openSync(input, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENXIO" || errno === "ENOENT") return undefined;
    throw error;
  }
}

function runs(input: string): boolean {
  const fd = writingEnd(input);
  if (fd !== undefined) closeSync(fd);
  return fd !== undefined;
}

/** Only while it reads its input: so the number is still its own. */
function end(pid: number, input: string): void {
  if (!runs(input)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

/** The one that runs with these very arguments, else a new one; one with other arguments is ended first. */
export async function holdSsh(runDir: string, argv: string[]): Promise<HeldSsh> {
  const paths = files(runDir);
  const running = await stillRunning(runDir, argv);
  const pid = running ?? (await begin(paths, argv));
  const input = writingEnd(paths.input);
  const output = Bun.file(paths.output).stream().getReader();
  let released = false;
  const close = () => {
    if (released) return;
    released = true;
    if (input !== undefined) closeSync(input);
    void output.cancel().catch(() => {});
  };
  const ended = (async () => {
    while (!released && runs(paths.input)) await Bun.sleep(POLL_MS);
    close();
    if (!runs(paths.input)) rmSync(paths.record, { force: true });
    return existsSync(paths.said) ? readFileSync(paths.said, "utf8").slice(-4_096) : "";
  })();
  return {
    adopted: running !== undefined,
    ended,
    write(text) {
      if (!released && input !== undefined) writeSync(input, text);
    },
    onData(callback) {
      void (async () => {
        const decoder = new TextDecoder();
        for (;;) {
          const { value, done } = await output.read();
          if (done) return;
          callback(decoder.decode(value, { stream: true }));
        }
      })().catch(() => {
        // closed: `ended` tells
      });
    },
    kill: () => end(pid, paths.input),
    release: close,
  };
}

/** Ends what an earlier connector left, if it left anything. */
export async function endHeldSsh(runDir: string): Promise<void> {
  await stillRunning(runDir, []);
}

async function stillRunning(runDir: string, argv: string[]): Promise<number | undefined> {
  const paths = files(runDir);
  const record = readStateFile(paths.record, (value) => recordSchema.parse(value));
  if (record === undefined || !runs(paths.input)) return undefined;
  const same = record.argv.length === argv.length && record.argv.every((word, at) => word === argv[at]);
  if (same && existsSync(paths.output)) return record.pid;
  end(record.pid, paths.input);
  while (runs(paths.input)) await Bun.sleep(POLL_MS / 10);
  rmSync(paths.record, { force: true });
  return undefined;
}

async function begin(paths: ReturnType<typeof files>, argv: string[]): Promise<number> {
  for (const path of Object.values(paths)) rmSync(path, { force: true });
  await execOk(["mkfifo", "-m", "600", paths.input, paths.output]);
  const fds = [
    openSync(paths.input, constants.O_RDWR),
    openSync(paths.output, constants.O_RDWR),
    openSync(paths.said, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600),
  ] as const;
  const proc = Bun.spawn(argv, {
    cwd: "/",
    env: cleanEnv(),
    stdin: fds[0],
    stdout: fds[1],
    stderr: fds[2],
  });
  proc.unref();
  for (const fd of fds) closeSync(fd);
  writeStateFile(paths.record, { pid: proc.pid, argv });
  return proc.pid;
}
