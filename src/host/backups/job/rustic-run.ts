/**
 * One run of rustic, watched: its exit status alone proves nothing, and a network that went silent never ends it. So its
 * log is read as it grows, and it is ended at the first error, or when nothing moved for too long.
 */
import { closeSync, existsSync, openSync, readSync, rmSync } from "node:fs";
import { z } from "zod";
import type { Progress } from "../../../contract/backup-job.ts";
import { cleanEnv } from "../../../core/exec.ts";
import { createTrafficWatch } from "./traffic.ts";

const POLL_MS = 250;
/** Without progress, and without bytes on the line. Longer than it takes ssh to give up a dead connection (60 s). */
const SILENCE_MS = 5 * 60_000;
const KEPT_LINES = 100;
const MAX_LINE = 1_000;

export interface RusticRun {
  code: number;
  /** The last object of standard output, when it is rustic's summary. */
  summary: Record<string, unknown> | undefined;
  warnings: string[];
  warningsTotal: number;
  errors: string[];
  stderr: string;
  /** Why it was ended from outside. */
  ended: "error" | "silence" | undefined;
}

/**
 * The log's lines of one level, without time and level. That something will be tried again is nothing yet where that can
 * succeed (`retriesHelp`); where it cannot, it is the end. Pure.
 */
export function splitLog(text: string, retriesHelp: boolean): { warnings: string[]; errors: string[] } {
  const warnings: string[] = [];
  const errors: string[] = [];
  // A message may have several lines: which file it is of is often on a later one.
  const messages: [level: string, text: string][] = [];
  for (const line of text.split("\n")) {
    const at = /^.{0,60}?\[?(WARN|ERROR)\]? *(.*)$/.exec(line);
    const last = messages.at(-1);
    if (at) messages.push([at[1] ?? "", (at[2] ?? "").replace(/^- /, "")]);
    else if (last !== undefined && line.trim() !== "" && !/\b(INFO|DEBUG|TRACE)\b/.test(line.slice(0, 60)))
      last[1] += ` ${line.trim()}`;
  }
  for (const [level, whole] of messages) {
    const message = whole.trim().slice(0, MAX_LINE);
    if (retriesHelp && message.startsWith("will retry ")) continue;
    // A restore looks at what is there already: nothing is what one hopes for.
    if (message.startsWith("Error during collection of files") && message.includes("NotFound")) continue;
    if (level === "ERROR" || message.includes("will retry Write")) errors.push(message);
    else warnings.push(message);
  }
  return { warnings, errors };
}

const statusSchema = z.object({
  message_type: z.literal("status"),
  bytes_done: z.number().optional(),
  files_done: z.number().optional(),
  percent_done: z.number().optional(),
});

class LogTail {
  #offset = 0;
  #rest = "";
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
  /** What came since, in whole lines. */
  next(last = false): string {
    if (!existsSync(this.path)) return "";
    const fd = openSync(this.path, "r");
    try {
      const block = Buffer.alloc(256 * 1024);
      let text = this.#rest;
      for (let n = readSync(fd, block, 0, block.length, this.#offset); n > 0; ) {
        text += block.toString("utf8", 0, n);
        this.#offset += n;
        n = readSync(fd, block, 0, block.length, this.#offset);
      }
      const end = last ? text.length : text.lastIndexOf("\n") + 1;
      this.#rest = text.slice(end);
      return text.slice(0, end);
    } finally {
      closeSync(fd);
    }
  }
}

export async function runRustic(
  argv: string[],
  options: {
    cwd: string;
    log: string;
    env: Record<string, string>;
    onProgress(progress: Progress): void;
    phase: string;
    /** A restore goes on after an error of one file, and says so. */
    endAtError: boolean;
    retriesHelp: boolean;
  },
): Promise<RusticRun> {
  rmSync(options.log, { force: true });
  const proc = Bun.spawn(argv, {
    cwd: options.cwd,
    env: cleanEnv(options.env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const run: RusticRun = {
    code: -1,
    summary: undefined,
    warnings: [],
    warningsTotal: 0,
    errors: [],
    stderr: "",
    ended: undefined,
  };
  let moved = performance.now();
  const traffic = createTrafficWatch(() => {
    moved = performance.now();
  });
  let last: z.output<typeof statusSchema> | undefined;
  const tell = () => {
    const over = traffic.since > 0 ? `; ${(traffic.since / 2 ** 20).toFixed(1)} MiB more over the line` : "";
    options.onProgress({
      phase: `${options.phase}${over}`,
      ...(last?.bytes_done === undefined ? {} : { bytes: last.bytes_done }),
      ...(last?.files_done === undefined ? {} : { files: last.files_done }),
      ...(last?.percent_done === undefined ? {} : { percent: last.percent_done }),
    });
  };
  const tail = new LogTail(options.log);
  const readLog = (last: boolean) => {
    const { warnings, errors } = splitLog(tail.next(last), options.retriesHelp);
    run.warningsTotal += warnings.length;
    run.warnings.push(...warnings.slice(0, KEPT_LINES - run.warnings.length));
    run.errors.push(...errors.slice(0, KEPT_LINES - run.errors.length));
  };
  const end = (why: NonNullable<RusticRun["ended"]>) => {
    run.ended ??= why;
    proc.kill("SIGKILL");
  };
  const timer = setInterval(() => {
    readLog(false);
    void traffic.tick().then((looked) => looked && tell());
    if (options.endAtError && run.errors.length > 0) end("error");
    else if (performance.now() - moved > SILENCE_MS) end("silence");
  }, POLL_MS);
  const stderr = new Response(proc.stderr).text();
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of proc.stdout) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) readLine(line);
  }
  readLine(rest);
  function readLine(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return;
    }
    const status = statusSchema.safeParse(value);
    if (!status.success) {
      if (typeof value === "object" && value !== null && !Array.isArray(value))
        run.summary = value as Record<string, unknown>;
      return;
    }
    if (status.data.bytes_done !== undefined && status.data.bytes_done !== last?.bytes_done) {
      moved = performance.now();
      traffic.moved();
    }
    last = status.data;
    tell();
  }
  run.code = await proc.exited;
  clearInterval(timer);
  readLog(true);
  run.stderr = (await stderr).slice(-4_000);
  return run;
}
