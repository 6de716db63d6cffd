/**
 * A file that is about to be replaced, held open: a program that had it open too may still write into it, where nobody
 * would find that. It is read once more some time later, and what came is merged as that program's change.
 */
import type { FileHandle } from "node:fs/promises";
import * as Y from "yjs";
import { changeText, copyOf } from "../../contract/editing/text-doc.ts";
import { etagOf } from "../files.ts";
import { openToRead, readOpen } from "./disk-text.ts";

export class HeldFile {
  #handle: FileHandle | undefined;
  #path: string;
  #etag: string;
  #then: Y.Doc;

  /** `disk` is the document of what is in it now. Undefined where it cannot be read. */
  static async hold(path: string, etag: string, disk: Y.Doc): Promise<HeldFile | undefined> {
    try {
      return new HeldFile(await openToRead(path), path, etag, copyOf(disk));
    } catch {
      // Gone, or not readable: the write itself says what is wrong.
      return undefined;
    }
  }

  private constructor(handle: FileHandle, path: string, etag: string, then: Y.Doc) {
    this.#handle = handle;
    this.#path = path;
    this.#etag = etag;
    this.#then = then;
  }

  /** What was written into it since; it is let go. */
  async late(): Promise<Uint8Array | undefined> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle === undefined) return undefined;
    try {
      if (etagOf(await handle.stat({ bigint: true })) === this.#etag) return undefined;
      const { text } = await readOpen(handle, this.#path);
      const before = Y.encodeStateVector(this.#then);
      return changeText(this.#then, text) ? Y.encodeStateAsUpdate(this.#then, before) : undefined;
    } catch {
      // It is no text any more: nothing that could be merged into one.
      return undefined;
    } finally {
      await handle.close();
    }
  }

  async drop(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}
