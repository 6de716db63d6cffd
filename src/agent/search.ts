/**
 * Finds files by name or by content. An own walk, so that it is the same in every image; ripgrep, where the image has
 * it, reads contents faster. It stops at a number of matches and at a time, and says so.
 */
import { constants, lstat, open, readdir } from "node:fs/promises";
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import { pathText, sysPath } from "../contract/path-bytes.ts";
import { MAX_MATCH_TEXT, MAX_MATCHES } from "../contract/project-services/files.ts";
import { projectStreams } from "../contract/project-services.ts";
import { fileError } from "./file-error.ts";
import { joinPath, resolvePath } from "./paths.ts";
import { spawn } from "./spawn.ts";

type Params = z.output<(typeof projectStreams)["files.search"]["params"]>;
type Match = { path: string; folder: boolean; line?: number; text?: string };

const MAX_MS = 60_000;
const TELL_MS = 100;
const BATCH = 200;
/** Of one file, so that a log of a million equal lines does not hide all others. */
const MAX_IN_FILE = 50;
/** Larger ones are data, and would hold up all others. */
const MAX_FILE_BYTES = 50 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
/** A line longer than this is no text for people; its rest is not searched. */
const MAX_LINE = 64 * 1024;

/** What is found goes out in bundles: a message for each would cost more than the search. */
class Finder {
  files = 0;
  unreadable = 0;
  truncated = false;
  readonly #stream: ConatStream;
  readonly #until = Date.now() + MAX_MS;
  #found = 0;
  #batch: Match[] = [];
  #told = Date.now();
  constructor(stream: ConatStream) {
    this.#stream = stream;
  }
  add(match: Match): void {
    if (this.#found >= MAX_MATCHES) {
      this.truncated = true;
      return;
    }
    this.#found += 1;
    this.#batch.push(match);
    if (this.#batch.length >= BATCH) this.flush();
  }
  flush(): void {
    this.#told = Date.now();
    if (this.#batch.length === 0 || this.#stream.closed) return;
    this.#stream.sendMessage({ type: "matches", matches: this.#batch });
    this.#batch = [];
  }
  get over(): boolean {
    if (Date.now() > this.#until) this.truncated = true;
    if (Date.now() - this.#told > TELL_MS) this.flush();
    return this.truncated || this.#stream.closed;
  }
}

/** Depth last: what is near is found first. Links are not followed, so there are no circles. */
async function* walk(root: string, hidden: boolean, finder: Finder) {
  const queue = [root];
  // An index, not shift(): that moves all the others each time.
  for (let next = 0; next < queue.length; next++) {
    const folder = queue[next] ?? "";
    let names: string[];
    try {
      const raw = (await readdir(sysPath(folder) as string, { encoding: "buffer" })) as unknown as Buffer[];
      names = raw.map((one) => pathText(one)).sort();
    } catch {
      // Not ours to read, or gone meanwhile; the closing line counts it.
      finder.unreadable += 1;
      continue;
    }
    for (const name of names) {
      if (finder.over) return;
      if (!hidden && name.startsWith(".")) continue;
      const path = joinPath(folder, name);
      const stats = await lstat(sysPath(path)).catch(() => undefined);
      if (stats === undefined) continue;
      if (stats.isDirectory()) queue.push(path);
      yield { path, name, stats };
    }
  }
}

function matcher(params: Params): (text: string) => boolean {
  if (params.case_sensitive === true) return (text) => text.includes(params.query);
  const wanted = params.query.toLowerCase();
  return (text) => text.toLowerCase().includes(wanted);
}

async function searchFile(path: string, matches: (line: string) => boolean, finder: Finder): Promise<void> {
  const file = await open(sysPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(READ_BYTES);
    let rest = "";
    let number = 0;
    let found = 0;
    const look = (line: string) => {
      number += 1;
      if (!matches(line)) return;
      found += 1;
      finder.add({ path, folder: false, line: number, text: line.slice(0, MAX_MATCH_TEXT) });
    };
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) break;
      const part = buffer.subarray(0, bytesRead);
      // A binary.
      if (number === 0 && part.includes(0)) return;
      const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(0, MAX_LINE);
      for (const line of lines) look(line);
      if (found >= MAX_IN_FILE || finder.over) return;
    }
    if (rest !== "") look(rest);
  } finally {
    await file.close();
  }
}

/** `path NUL line:text`, as `rg --null --line-number --no-heading` has it. */
export function parseRipgrep(line: string): Match | undefined {
  const at = line.indexOf("\0");
  const match = at < 0 ? null : /^(\d+):(.*)$/s.exec(line.slice(at + 1));
  if (!match) return undefined;
  return {
    path: line.slice(0, at),
    folder: false,
    line: Number(match[1]),
    text: (match[2] ?? "").replace(/\r$/, "").slice(0, MAX_MATCH_TEXT),
  };
}

async function byRipgrep(root: string, params: Params, finder: Finder, stream: ConatStream): Promise<void> {
  const proc = spawn(
    [
      "rg",
      "--no-config",
      "--null",
      "--line-number",
      "--no-heading",
      "--color=never",
      "--no-messages",
      "--no-ignore",
      "--fixed-strings",
      ...(params.case_sensitive === true ? [] : ["--ignore-case"]),
      ...(params.hidden === true ? ["--hidden"] : []),
      `--max-count=${MAX_IN_FILE}`,
      "--max-filesize=50M",
      "--max-columns=4096",
      "--max-columns-preview",
      "--",
      params.query,
      root,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "ignore" },
  );
  const end = () => proc.kill();
  stream.onClose(end);
  const timer = setTimeout(() => {
    finder.truncated = true;
    end();
  }, MAX_MS);
  const files = new Set<string>();
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of proc.stdout) {
      rest = Buffer.concat([rest, chunk]);
      for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
        const match = parseRipgrep(pathText(rest.subarray(0, at)));
        rest = rest.subarray(at + 1);
        if (!match) continue;
        files.add(match.path);
        // Text for people; only the path must come back as it is.
        finder.add({ ...match, text: (match.text ?? "").toWellFormed() });
      }
      if (finder.over) break;
    }
    // 2: something could not be read.
    if ((await Promise.race([proc.exited, Bun.sleep(0)])) === 2) finder.unreadable += 1;
  } finally {
    clearTimeout(timer);
    end();
    finder.files = files.size;
  }
}

export async function search(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params = projectStreams["files.search"].params.parse(raw);
  const root = resolvePath(home, params.path);
  stream.onData(() => {});
  stream.onEnd(() => stream.end());
  stream.accept();
  const finder = new Finder(stream);
  const matches = matcher(params);
  try {
    if (!(await lstat(sysPath(root))).isDirectory())
      throw Object.assign(new Error("no folder"), { code: "ENOTDIR" });
    if (params.in === "contents" && Bun.which("rg") !== null && typeof sysPath(root) === "string")
      await byRipgrep(root, params, finder, stream);
    else {
      for await (const { path, name, stats } of walk(root, params.hidden ?? false, finder)) {
        if (params.in === "names") {
          finder.files += 1;
          if (matches(name)) finder.add({ path, folder: stats.isDirectory() });
        } else if (stats.isFile() && stats.size <= MAX_FILE_BYTES) {
          finder.files += 1;
          await searchFile(path, matches, finder).catch(() => {
            finder.unreadable += 1;
          });
        }
      }
    }
  } catch (error) {
    if (stream.closed) return;
    throw fileError(error, root);
  }
  if (stream.closed) return;
  finder.flush();
  stream.sendMessage({
    type: "done",
    truncated: finder.truncated,
    files: finder.files,
    unreadable: finder.unreadable,
  });
  stream.end();
}
