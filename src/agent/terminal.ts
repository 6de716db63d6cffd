/**
 * One terminal: a program, the last of its output, and whoever looks at it. It lives on without viewers. Each
 * viewer reads the ring at its own pace: one that falls behind the ring is told to clear and go on; only when even
 * the fastest is far behind is the program held back.
 */
import type { ConatStream } from "../conat/stream.ts";
import { type Exit, type Terminal as Info, TERMINAL_RING_BYTES } from "../contract/project-services.ts";
import { Pty } from "./pty.ts";
import { Ring } from "./ring.ts";
import { TitleScanner } from "./title.ts";

/** Well below the ring: what the kernel holds still comes after a stop. */
const PAUSE_BYTES = 192 * 1024;
const RESUME_BYTES = 64 * 1024;
const READ_BYTES = 32 * 1024;

export interface TerminalOptions {
  terminal_id: string;
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  name: string;
  rows: number;
  cols: number;
  /** Something that a list of terminals shows has changed. */
  onChange: () => void;
}

interface Viewer {
  stream: ConatStream;
  rows: number;
  cols: number;
  /** Offset of the next byte to send. */
  at: number;
  pumping: boolean;
  /** The exit was told. */
  toldExit: boolean;
}

export class Terminal {
  readonly #options: TerminalOptions;
  readonly #ring = new Ring(TERMINAL_RING_BYTES);
  readonly #viewers = new Set<Viewer>();
  readonly #created = Date.now();
  #pty: Pty | undefined;
  #exit: Exit | null = null;
  #name: string;
  #title = "";
  #rows: number;
  #cols: number;
  #paused = false;
  #closed = false;

  /** Throws what {@link Pty} throws. */
  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#name = options.name;
    this.#rows = options.rows;
    this.#cols = options.cols;
    this.#start();
  }

  info(): Info {
    return {
      terminal_id: this.#options.terminal_id,
      name: this.#name,
      title: this.#title,
      cwd: this.#options.cwd,
      pid: this.#pty?.pid ?? null,
      running: this.#pty !== undefined,
      exit: this.#exit,
      rows: this.#rows,
      cols: this.#cols,
      viewers: this.#viewers.size,
      created_at: this.#created,
    };
  }

  rename(name: string): void {
    this.#name = name;
    this.#tell({ type: "name", name });
    this.#options.onChange();
  }

  /** A line between those of the program. */
  notice(text: string): void {
    this.#ring.push(new TextEncoder().encode(`\r\n\x1b[1;33m${text.replace(/\p{Cc}/gu, " ")}\x1b[0m\r\n`));
    for (const viewer of this.#viewers) void this.#pump(viewer);
  }

  /** Does nothing while the program runs. */
  restart(): void {
    if (this.#pty !== undefined || this.#closed) return;
    this.#start();
    for (const viewer of this.#viewers) viewer.toldExit = false;
    this.#tell({ type: "restarted", pid: this.info().pid ?? 0 });
    this.#options.onChange();
  }

  close(): void {
    this.#closed = true;
    this.#pty?.close();
    for (const { stream } of [...this.#viewers]) stream.end();
  }

  attach(stream: ConatStream, params: { rows: number; cols: number; since?: number | undefined }): void {
    const known =
      params.since !== undefined && params.since >= this.#ring.start && params.since <= this.#ring.end;
    const from = known ? (params.since ?? 0) : this.#ring.start;
    const viewer: Viewer = {
      stream,
      rows: params.rows,
      cols: params.cols,
      at: from,
      pumping: false,
      toldExit: false,
    };
    this.#viewers.add(viewer);
    this.#fit();
    stream.sendMessage({
      type: "snapshot",
      from,
      reset: params.since !== undefined && !known,
      terminal: this.info(),
    });
    stream.onData((bytes) => this.#pty?.write(bytes));
    stream.onMessage((message) => {
      const size = parseResize(message);
      if (size === undefined) return;
      viewer.rows = size.rows;
      viewer.cols = size.cols;
      this.#fit();
    });
    stream.onEnd(() => stream.end());
    stream.onClose(() => {
      this.#viewers.delete(viewer);
      this.#fit();
      this.#balance();
      this.#options.onChange();
    });
    this.#options.onChange();
    void this.#pump(viewer);
  }

  #start(): void {
    this.#exit = null;
    const scanner = new TitleScanner((title) => {
      if (title === this.#title) return;
      this.#title = title;
      this.#tell({ type: "title", title });
      this.#options.onChange();
    });
    this.#pty = new Pty({
      argv: this.#options.argv,
      cwd: this.#options.cwd,
      env: this.#options.env,
      rows: this.#rows,
      cols: this.#cols,
      onData: (bytes) => {
        this.#ring.push(bytes);
        scanner.push(bytes);
        for (const viewer of this.#viewers) if (!viewer.pumping) void this.#pump(viewer);
        this.#balance();
      },
      onExit: (exit) => {
        this.#pty = undefined;
        this.#paused = false;
        this.#exit = exit;
        for (const viewer of this.#viewers) void this.#pump(viewer);
        this.#options.onChange();
      },
    });
  }

  /** Sends a viewer what it has not seen, at the pace of its credit. */
  async #pump(viewer: Viewer): Promise<void> {
    if (viewer.pumping) return;
    viewer.pumping = true;
    try {
      while (viewer.at < this.#ring.end && !viewer.stream.closed) {
        if (viewer.at < this.#ring.start) {
          viewer.at = this.#ring.start;
          viewer.stream.sendMessage({ type: "skipped", from: viewer.at });
        }
        const bytes = this.#ring.slice(viewer.at, READ_BYTES);
        viewer.at += bytes.length;
        await viewer.stream.write(bytes);
        this.#balance();
      }
      if (this.#exit !== null && !viewer.toldExit) {
        viewer.toldExit = true;
        viewer.stream.sendMessage({ type: "exit", exit: this.#exit });
      }
    } catch {
      // The viewer went away in the middle of a write; its onClose has seen to the rest.
    } finally {
      viewer.pumping = false;
    }
  }

  /** Holds the program back while every viewer is far behind. Without viewers it runs free: the ring is bounded. */
  #balance(): void {
    let lag = Number.POSITIVE_INFINITY;
    for (const viewer of this.#viewers) {
      lag = Math.min(lag, this.#ring.end - viewer.at + viewer.stream.pending);
    }
    if (this.#viewers.size === 0) lag = 0;
    if (!this.#paused && lag > PAUSE_BYTES) {
      this.#paused = true;
      this.#pty?.pause();
    } else if (this.#paused && lag < RESUME_BYTES) {
      this.#paused = false;
      this.#pty?.resume();
    }
  }

  /** The smallest of all viewers: a line must fit on each screen. */
  #fit(): void {
    if (this.#viewers.size > 0) {
      let rows = Number.POSITIVE_INFINITY;
      let cols = Number.POSITIVE_INFINITY;
      for (const viewer of this.#viewers) {
        rows = Math.min(rows, viewer.rows);
        cols = Math.min(cols, viewer.cols);
      }
      if (rows !== this.#rows || cols !== this.#cols) {
        this.#rows = rows;
        this.#cols = cols;
        this.#pty?.resize(rows, cols);
      }
    }
    this.#tell({ type: "size", rows: this.#rows, cols: this.#cols, viewers: this.#viewers.size });
  }

  #tell(message: unknown): void {
    for (const { stream } of this.#viewers) stream.sendMessage(message);
  }
}

/** By hand: this comes with every drag of a window's edge. */
function parseResize(message: unknown): { rows: number; cols: number } | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { type, rows, cols } = message as Record<string, unknown>;
  if (type !== "resize" || !Number.isInteger(rows) || !Number.isInteger(cols)) return undefined;
  return {
    rows: Math.min(1000, Math.max(1, rows as number)),
    cols: Math.min(2000, Math.max(1, cols as number)),
  };
}
