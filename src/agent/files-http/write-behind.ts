/** Writes the pieces of a stream into a file while more come: in order, in as few calls as that makes, never far behind. */
import type { FileHandle } from "node:fs/promises";

/** Held in memory at the most, but for one piece. */
const HELD_BYTES = 2 * 1024 * 1024;
/** IOV_MAX is 1024: more in one call is refused. */
const MAX_PIECES = 512;

export class WriteBehind {
  readonly #file: FileHandle;
  /** The file has all up to here. */
  #written: number;
  #waiting: Uint8Array[] = [];
  #held = 0;
  #step: Promise<void> | undefined;
  #job: Promise<void> | undefined;
  #failed: { error: unknown } | undefined;

  /** Begins at `at`. */
  constructor(file: FileHandle, at: number) {
    this.#file = file;
    this.#written = at;
  }

  get written(): number {
    return this.#written;
  }

  /** The piece is the writer's from now on. Resolves when there is room for the next; throws what an earlier write met. */
  async add(piece: Uint8Array): Promise<void> {
    if (this.#failed) throw this.#failed.error;
    this.#waiting.push(piece);
    this.#held += piece.length;
    this.#job ??= this.#run();
    if (this.#held > HELD_BYTES) await this.#step;
  }

  /** Resolves when the file has all of it; throws what a write met. */
  async done(): Promise<void> {
    await this.#job;
    if (this.#failed) throw this.#failed.error;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        this.#step = this.#write(this.#waiting.splice(0, MAX_PIECES));
        await this.#step;
      }
    } catch (error) {
      this.#failed = { error };
    } finally {
      this.#job = undefined;
    }
  }

  async #write(pieces: Uint8Array[]): Promise<void> {
    while (pieces.length > 0) {
      let { bytesWritten } = await this.#file.writev(pieces, this.#written);
      this.#written += bytesWritten;
      this.#held -= bytesWritten;
      for (let first = pieces[0]; first && bytesWritten >= first.length; first = pieces[0]) {
        bytesWritten -= first.length;
        pieces.shift();
      }
      if (bytesWritten > 0) pieces[0] = (pieces[0] as Uint8Array).subarray(bytesWritten);
    }
  }
}
