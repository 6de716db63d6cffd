/**
 * One script run on a machine by its user's login shell. The shell's own profile may print, ask, or leave: what counts
 * stands between two markers, and what stands outside tells the person what is wrong with the profile.
 */
import { CodedError, EX } from "../../core/errors.ts";
import { waitedOut } from "./kept-out.ts";
import { judgeSsh, type SshFiles, type SshOptions, sshArgv, sshEnv } from "./ssh.ts";
import { type Target, targetText } from "./target.ts";

const BEGIN = "COCALC-BEGIN";
const END = "COCALC-END";
const MAX_KEPT = 64 * 1024;
/** What a chatty profile may print before it is somebody's fault. */
const MAX_NOISE = 4_000;

export interface SessionResult {
  /** Between the markers. */
  lines: string[];
  /** After the closing marker: a status, where the script says one. */
  status: number;
  /** What a profile printed before. */
  noise: string;
}

/** Single quotes, for the one place where a value becomes part of a script. */
export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** `NAME='value'` lines before a script: values never stand in an argument list, where everybody reads them. */
export const withValues = (values: Record<string, string>, script: string): string =>
  `${Object.entries(values)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join("\n")}\n${script}`;

/** Words that need no quoting, whatever the login shell is. */
export function shellWords(words: readonly string[]): string {
  for (const word of words) {
    if (!/^[A-Za-z0-9._:/+=%-]+$/.test(word)) throw new Error(`${word} would need quoting`);
  }
  return words.join(" ");
}

export async function runOn(
  target: Target,
  files: SshFiles,
  script: string,
  options: SshOptions & {
    args?: readonly string[];
    hubKey: string;
    timeoutMs: number;
    signal: AbortSignal;
    /** Each line between the markers, as it comes. */
    onLine?: (line: string) => void;
  },
): Promise<SessionResult> {
  const command = shellWords(["sh", "-s", ...(options.args?.length ? ["--", ...options.args] : [])]);
  const proc = Bun.spawn(sshArgv(target, files, command, options), {
    cwd: "/",
    env: sshEnv(files, options.password),
    stdin: Buffer.from(script),
    stdout: "pipe",
    stderr: "pipe",
  });
  let late = false;
  const end = () => proc.kill("SIGKILL");
  const timer = setTimeout(() => {
    late = true;
    end();
  }, options.timeoutMs);
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  const lines: string[] = [];
  let noise = "";
  let state: "before" | "inside" | "after" = "before";
  let status = 0;
  const take = (line: string) => {
    if (state === "before") {
      // A profile that prints without a line's end stands on the marker's line.
      if (line.endsWith(BEGIN)) {
        noise += line.slice(0, -BEGIN.length);
        state = "inside";
      } else if (noise.length < MAX_NOISE) noise += `${line}\n`;
    } else if (state === "inside") {
      const ended = new RegExp(`^${END}(?: (\\d+))?$`).exec(line);
      if (ended) {
        status = Number(ended[1] ?? 0);
        state = "after";
      } else if (lines.reduce((sum, one) => sum + one.length, 0) < MAX_KEPT) {
        lines.push(line);
        options.onLine?.(line);
      }
    }
  };
  const stderr = new Response(proc.stderr).text();
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of proc.stdout) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split(/\r?\n/);
    rest = (parts.pop() ?? "").slice(-MAX_NOISE);
    for (const part of parts) take(part);
  }
  if (rest !== "") take(rest);
  const code = await proc.exited;
  clearTimeout(timer);
  options.signal.removeEventListener("abort", end);
  if (options.signal.aborted)
    throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
  if ((state as string) === "after") return { lines, status, noise: noise.trim() };
  const said = (await stderr).slice(-MAX_NOISE);
  // 255 is ssh's own failure; before the first marker nothing of ours ran.
  if (!late && code === 255) {
    // Turned away at the door, of which ssh says little or nothing: nothing ran, so it may be tried again.
    const away = said.trim() === "" || /kex_exchange_identification|Connection (closed|reset)/.test(said);
    if (state === "before" && away && (await waitedOut(target, options.signal)))
      return await runOn(target, files, script, options);
    throw new CodedError(
      judgeSsh(said, target, { hubKey: options.hubKey, password: options.password !== undefined }),
    );
  }
  throw state === "before"
    ? profileProblem(target, noise, said, late, code)
    : cutOff(target, lines, late, options);
}

function profileProblem(
  target: Target,
  noise: string,
  said: string,
  late: boolean,
  code: number,
): CodedError {
  const heard = `${noise}\n${said}`.trim().slice(0, 300);
  return new CodedError({
    code: "machine.shell-profile",
    title: `The login shell of ${target.user} on ${target.host} runs no command`,
    why: `${late ? "It did not come to the hub's script in time" : `It ended with status ${code} before the hub's script began`}${heard === "" ? " and printed nothing" : `; it printed: ${heard}`}. A profile (~/.bashrc, /etc/profile.d, …) that asks, waits, starts another program or exits does this.`,
    fix: "Let the profile do so in interactive shells alone: begin it with: case $- in *i*) ;; *) return ;; esac. Then this prints “ready” and nothing else:",
    command: `ssh -p ${target.port} ${target.user}@${target.host} echo ready`,
    status: 409,
    exit: EX.CONFIG,
  });
}

function cutOff(target: Target, lines: string[], late: boolean, options: { timeoutMs: number }): CodedError {
  return new CodedError({
    code: late ? "machine.too-slow" : "machine.connection-lost",
    title: late
      ? `${targetText(target)} was not done within ${Math.round(options.timeoutMs / 60_000)} min`
      : `The connection to ${targetText(target)} broke off`,
    why: `The last that was heard: ${lines.at(-1)?.trim() || "nothing"}.`,
    fix: "Try again; what was begun is gone on with.",
    status: 409,
    exit: EX.TEMPFAIL,
  });
}
