/**
 * What people make of a file, and what of it is on disk: two copies of one Yjs document. A change that another program
 * makes to the file is made to the copy that stands for the disk, and merged from there as if that program had been one
 * of the people.
 */
import * as Y from "yjs";
import { changeText, copyOf, textOf } from "../../contract/editing/text-doc.ts";
import { CodedError } from "../../core/errors.ts";
import { checkUpdate } from "./valid-update.ts";

/** Characters with which a text can still be edited; beyond, changes are no longer taken. */
export const MAX_TEXT_CHARS = 16 * 1024 * 1024;

/** What is to be written, and what of the document that is. */
export interface Snapshot {
  text: string;
  update: Uint8Array;
}

export class SharedDoc {
  readonly people: Y.Doc;
  readonly disk: Y.Doc;

  /** Both are this document's own afterwards. */
  constructor(people: Y.Doc, disk: Y.Doc = copyOf(people)) {
    this.people = people;
    this.disk = disk;
  }

  get text(): string {
    return textOf(this.people);
  }

  get dirty(): boolean {
    return this.text !== textOf(this.disk);
  }

  /** What a page made. Throws when it may not be taken, and nothing is changed then. */
  take(update: Uint8Array, origin: unknown): void {
    const brings = checkUpdate(this.people, update);
    if (this.people.getText("text").length + brings > MAX_TEXT_CHARS) {
      throw new CodedError({
        code: "edit.too-long",
        title: "The text is too long to be edited here",
        why: `It would have more than ${MAX_TEXT_CHARS} characters.`,
        fix: "Take out what was put in last, or work on it in a terminal.",
        status: 413,
      });
    }
    Y.applyUpdate(this.people, update, origin);
    const { store } = this.people;
    if (store.pendingStructs === null && store.pendingDs === null) return;
    // It refers to what nobody has: it would wait for ever, and be written down with the text each time.
    store.pendingStructs = null;
    store.pendingDs = null;
    throw new CodedError({ code: "edit.malformed", title: "A change came that fits nowhere", status: 400 });
  }

  /** What is in the file now. Returns the change as an update; undefined when there is none. */
  fromDisk(content: string, origin: unknown): Uint8Array | undefined {
    const before = Y.encodeStateVector(this.disk);
    if (!changeText(this.disk, content)) return undefined;
    const update = Y.encodeStateAsUpdate(this.disk, before);
    Y.applyUpdate(this.people, update, origin);
    return update;
  }

  snapshot(): Snapshot {
    return {
      text: this.text,
      update: Y.encodeStateAsUpdate(this.people, Y.encodeStateVector(this.disk)),
    };
  }

  /** The snapshot is in the file. */
  written({ update }: Snapshot): void {
    Y.applyUpdate(this.disk, update);
  }
}
