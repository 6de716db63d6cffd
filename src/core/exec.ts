import { CodedError, EX } from "./errors.ts";

/** What every process of ours starts from: BUN_OPTIONS, BUN_BE_BUN, LD_PRELOAD and their kind never pass on. */
export function cleanEnv(extra: Record<string, string> = {}): Record<string, string> {
  const env: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
  };
  for (const key of ["HOME", "USER", "XDG_RUNTIME_DIR", "JOURNAL_STREAM", "COCALC_LOG_LEVEL"]) {
    const value = process.env[key];
    if (value !== undefined) env[key] = value;
  }
  return { ...env, ...extra };
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  /** Exit status; 128 + signal number when a signal ended it. */
  code: number;
}

export interface ExecOptions {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
  cwd?: string;
  /** Milliseconds until SIGKILL; 30,000 unless said. */
  timeout?: number;
}

/** Runs a program without a shell, from a clean environment and `/`. Never throws for a non-zero status. */
export async function exec(argv: string[], options: ExecOptions = {}): Promise<ExecResult> {
  const proc = Bun.spawn(argv, {
    cwd: options.cwd ?? "/",
    env: cleanEnv(options.env),
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeout ?? 30_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(proc.stdout).text(),
    new Response(proc.stderr).text(),
    proc.exited,
  ]);
  return { stdout, stderr, code };
}

/** Like {@link exec}, but a status other than 0 is a `exec.failed` error with the last lines of stderr. */
export async function execOk(argv: string[], options: ExecOptions = {}): Promise<string> {
  const result = await exec(argv, options);
  if (result.code !== 0) {
    throw new CodedError({
      code: "exec.failed",
      title: `${argv[0]} ended with status ${result.code}`,
      why: result.stderr.trim().split("\n").slice(-5).join("\n") || "it said nothing",
      exit: EX.OSERR,
    });
  }
  return result.stdout;
}
