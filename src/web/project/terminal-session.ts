/** One viewer of a project's terminal, attached again after each break at the byte where it left off. */
import type { ConatClient } from "../../conat/client.ts";
import { callProject, openProject, type ProjectStream } from "../../contract/project-client.ts";
import type { Exit } from "../../contract/project-services.ts";
import { CodedError } from "../../core/errors.ts";

const RETRY_MS = 500;

export interface Size {
  rows: number;
  cols: number;
}
/** What the session needs of a screen; xterm has more. */
export interface Screen {
  /** Calls back when the bytes are drawn: only then more is asked for, so a flood cannot freeze the page. */
  write(data: Uint8Array | string, drawn?: () => void): void;
  resize(cols: number, rows: number): void;
  reset(): void;
}
export interface SessionNews {
  /** Another viewer with a smaller screen sets the size. */
  smallerElsewhere: boolean;
  ended: boolean;
  /** It will not come back: closed, or its project was started anew. */
  gone: unknown;
}
export interface SessionOptions {
  client: ConatClient;
  projectId: string;
  terminalId: string;
  screen: Screen;
  size: Size;
  onNews: (news: SessionNews) => void;
}

const dim = (text: string) => `\r\n\x1b[2m[${text}]\x1b[0m\r\n`;

function endedWords(exit: Exit): string {
  if (exit.signal !== null) return `ended by ${exit.signal}`;
  return exit.code === null || exit.code === 0 ? "ended" : `ended with status ${exit.code}`;
}

export class TerminalSession {
  #options: SessionOptions;
  #wanted: Size;
  #stream: ProjectStream<"terminal.attach"> | undefined;
  /** Offset of the next byte. */
  #seen: number | undefined;
  #closed = false;
  #news: SessionNews = { smallerElsewhere: false, ended: false, gone: undefined };
  #encoder = new TextEncoder();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#wanted = options.size;
    void this.#run();
  }

  /** What a person typed. After the program ended, Enter starts it again. */
  type(data: string): void {
    const { client, projectId, terminalId } = this.#options;
    if (this.#news.ended) {
      if (data === "\r")
        callProject(client, projectId, "terminal.restart", { terminal_id: terminalId }).catch(
          (error: unknown) => this.#tell({ gone: error }),
        );
      return;
    }
    // What is typed into a broken connection is lost, as it is over SSH; the banner says that it is broken.
    this.#stream?.stream.write(this.#encoder.encode(data)).catch(() => {});
  }

  /** As much as fits here; the size that holds is the smallest of all viewers'. */
  want(size: Size): void {
    if (size.rows === this.#wanted.rows && size.cols === this.#wanted.cols) return;
    this.#wanted = size;
    if (this.#stream === undefined) this.#options.screen.resize(size.cols, size.rows);
    else this.#stream.send({ type: "resize", ...size });
  }

  close(): void {
    this.#closed = true;
    this.#stream?.stream.end();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#attach();
      } catch (error) {
        if (error instanceof CodedError && error.code === "terminal.unknown") {
          this.#tell({ gone: error });
          return;
        }
        // The connection: tried again below, and a banner says so meanwhile.
      }
      this.#stream = undefined;
      if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #attach(): Promise<void> {
    const { client, projectId, terminalId, screen } = this.#options;
    const opened = await openProject(client, projectId, "terminal.attach", {
      terminal_id: terminalId,
      ...this.#wanted,
      ...(this.#seen === undefined ? {} : { since: this.#seen }),
    });
    if (this.#closed) {
      opened.stream.end();
      return;
    }
    this.#stream = opened;
    opened.onMessage((message) => {
      switch (message.type) {
        case "snapshot":
          if (message.reset) screen.reset();
          this.#seen = message.from;
          this.#tell({ ended: !message.terminal.running && this.#news.ended });
          break;
        case "skipped":
          screen.reset();
          this.#seen = message.from;
          break;
        case "size": {
          screen.resize(message.cols, message.rows);
          const { rows, cols } = this.#wanted;
          this.#tell({ smallerElsewhere: message.cols < cols || message.rows < rows });
          break;
        }
        case "exit":
          // Told anew after each attaching.
          if (!this.#news.ended) screen.write(dim(`${endedWords(message.exit)}; Enter starts it again`));
          this.#tell({ ended: true });
          break;
        case "restarted":
          this.#tell({ ended: false });
          break;
        case "title":
        case "name":
          // The list of terminals has them.
          break;
      }
    });
    opened.stream.onData((bytes) => {
      this.#seen = (this.#seen ?? 0) + bytes.length;
      return new Promise<void>((drawn) => screen.write(bytes, drawn));
    });
    await new Promise<void>((resolve) => opened.stream.onClose(() => resolve()));
  }

  #tell(change: Partial<SessionNews>): void {
    this.#news = { ...this.#news, ...change };
    if (!this.#closed) this.#options.onNews(this.#news);
  }
}
