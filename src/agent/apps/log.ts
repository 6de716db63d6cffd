/**
 * An app's output, in a file that it appends to itself: so it lives on when the agent is started anew. Whoever floods
 * it is cut: the file is shortened from the front, and the cut is said in it.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { APP_LOG_BYTES, MAX_LOG_CHUNK_BYTES } from "../../contract/apps.ts";
import { errnoOf } from "../../core/errors.ts";

/** Cut when it is longer than this; half of what is kept stays. */
const LIMIT = APP_LOG_BYTES;

export class AppLog {
  readonly path: string;
  /** Bytes that were cut away before the file's first. */
  #cut = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** A file of its own for each start, appended to by the app. The caller closes it. */
  begin(): number {
    this.#cut = 0;
    try {
      unlinkSync(this.path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    return openSync(this.path, "a", 0o600);
  }

  note(text: string): void {
    const fd = openSync(this.path, "a", 0o600);
    writeSync(fd, `\n[${text}]\n`);
    closeSync(fd);
  }

  /** Shortens it where it is too long; returns by how many bytes. */
  trim(): number {
    let fd: number;
    try {
      if (statSync(this.path).size <= LIMIT) return 0;
      // O_APPEND, as the app's own: after the cut everybody goes on at the new end.
      fd = openSync(this.path, "a+", 0o600);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return 0;
      throw error;
    }
    try {
      const { size } = fstatSync(fd);
      const kept = Buffer.alloc(LIMIT / 2);
      const length = readSync(fd, kept, 0, kept.length, size - kept.length);
      const gone = size - length;
      ftruncateSync(fd, 0);
      writeSync(fd, `[${gone} bytes of output were cut here]\n`);
      writeSync(fd, kept, 0, length);
      // The note takes the place of so many of the bytes that are gone.
      this.#cut += gone - `[${gone} bytes of output were cut here]\n`.length;
      return gone;
    } finally {
      closeSync(fd);
    }
  }

  read(from: number): { from: number; next: number; text: string } {
    let fd: number;
    try {
      fd = openSync(this.path, "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return { from: 0, next: 0, text: "" };
      throw error;
    }
    try {
      const end = this.#cut + fstatSync(fd).size;
      // A reader of before a new start, or of before a cut, begins where there is something.
      const start = from > end ? this.#cut : Math.max(from, this.#cut, end - MAX_LOG_CHUNK_BYTES);
      const bytes = Buffer.alloc(Math.min(end - start, MAX_LOG_CHUNK_BYTES));
      const length = readSync(fd, bytes, 0, bytes.length, start - this.#cut);
      return { from: start, next: start + length, text: bytes.subarray(0, length).toString("utf8") };
    } finally {
      closeSync(fd);
    }
  }

  /** The last lines, for a problem's `why`. */
  tail(lines: number): string {
    return this.read(Math.max(0, this.read(0).next - 4096))
      .text.trimEnd()
      .split("\n")
      .slice(-lines)
      .join("\n");
  }
}
