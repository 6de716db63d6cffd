/**
 * One file that people edit: its document, its history on disk, the pages that have it open, and the file itself. Whatever
 * touches the file goes one after the other. A page's change is kept before it is acknowledged; the file is written after
 * a pause in the typing, never over what another program wrote: that is merged first.
 */
import { type FSWatcher, watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import * as Y from "yjs";
import { textOf } from "../../contract/editing/text-doc.ts";
import { sysPath } from "../../contract/path-bytes.ts";
import { CodedError, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { encodeText } from "../../core/text-format.ts";
import { fileError } from "../file-error.ts";
import { replaceFile, writeAll } from "../file-write.ts";
import { folderOf, nameOf } from "../paths.ts";
import { type DiskText, readDisk, settledAt } from "./disk-text.ts";
import { EditLog, freshLog, type KnownFile, type Logged, readLog } from "./edit-log.ts";
import type { EditSession } from "./edit-session.ts";
import { HeldFile } from "./held-file.ts";
import { SaveTimer } from "./save-timer.ts";
import type { SharedDoc, Snapshot } from "./shared-doc.ts";

const TELL_AFTER_MS = 30;
/** Where the system has no watches left, or lost one. */
const LOOK_EVERY_MS = 3_000;
/** A program that had the file open when it was replaced may still write into the old one. */
const LATE_WRITE_MS = 1_000;
const MAX_ROUNDS = 5;

/** A save: the text, where the history was then, and of each page how many frames are in it. */
interface About {
  snapshot: Snapshot;
  at: number;
  counts: { session: EditSession; count: number }[];
}

export class OpenDoc {
  path: string;
  readonly doc_id: string;
  readonly sessions = new Set<EditSession>();
  #shared: SharedDoc;
  #log: EditLog;
  #file: KnownFile;
  #size: number;
  #gone = false;
  #dirty: boolean;
  #foreign = false;
  #problem: ProblemDetails | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #saveTimer = new SaveTimer(() => void this.save());
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #telling: Promise<void> = Promise.resolve();
  #lookTimer: ReturnType<typeof setInterval>;
  #watcher: FSWatcher | undefined;
  #held: HeldFile | undefined;
  #heldTimer: ReturnType<typeof setTimeout> | undefined;
  #looking = false;

  /** As it is on disk, with what an earlier agent kept of it. */
  static async open(path: string, log: string): Promise<OpenDoc> {
    const kept = readLog(log);
    const unsaved = kept?.path === path && kept.shared.dirty;
    const disk = await readDisk(path).catch((error: unknown) => {
      // What is there is no text of ours, a folder perhaps: what was typed is shown, and can go elsewhere.
      if (unsaved) return null;
      throw error;
    });
    if (kept !== undefined && kept.path === path && (disk !== null || unsaved)) {
      const doc = new OpenDoc(kept, new EditLog(log), disk?.size ?? 0);
      await doc.look();
      if (doc.#dirty) doc.#schedule();
      return doc;
    }
    if (disk === null) throw fileError(Object.assign(new Error("gone"), { code: "ENOENT" }), path);
    return new OpenDoc(freshLog(path, disk), new EditLog(log), disk.size);
  }

  private constructor(from: Logged, log: EditLog, size: number) {
    this.path = from.path;
    this.doc_id = from.doc_id;
    this.#shared = from.shared;
    this.#file = from.file;
    this.#size = size;
    this.#log = log;
    this.#dirty = from.shared.dirty;
    this.#shared.people.on("update", (update: Uint8Array, origin: unknown) => {
      for (const session of this.sessions) if (session !== origin) session.update(update);
    });
    this.#follow();
    this.#lookTimer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  get ending(): "\n" | "\r\n" {
    return this.#file.ending;
  }

  /** What a page lacks, then what this has; from then on it is told what is new. */
  join(session: EditSession, vector: Uint8Array | undefined): void {
    session.update(Y.encodeStateAsUpdate(this.#shared.people, vector));
    session.vector(Y.encodeStateVector(this.#shared.people));
    for (const other of this.sessions) if (other.isPageOf(session)) this.#replaced(other);
    for (const other of this.sessions) if (other.here) session.there(other);
    this.sessions.add(session);
    this.#tell();
  }

  leave(session: EditSession): void {
    if (!this.sessions.delete(session)) return;
    if (session.here) this.here(session, undefined);
    if (this.sessions.size === 0 && this.#dirty) void this.save();
  }

  here(session: EditSession, here: EditSession["here"]): void {
    session.here = here;
    for (const other of this.sessions) if (other !== session) other.there(session);
  }

  #replaced(session: EditSession): void {
    this.leave(session);
    session.stream.reset(new CodedError({ code: "edit.replaced", title: "The page came again" }));
  }

  /** Of a page. Throws when it may not be taken. */
  take(session: EditSession, update: Uint8Array): void {
    this.#shared.take(update, session);
    session.received++;
    this.#keep(update);
    this.#schedule();
    this.#tell();
  }

  /** Writes it now. `over`: also a file that is gone, or that is no text any more. */
  save(over = false): Promise<void> {
    this.#saveTimer.saving();
    return this.#inTurn(async () => {
      try {
        await this.#write(over);
      } catch (error) {
        this.#problem = toProblem(error);
        this.#saveTimer.retry();
      }
      this.#tell();
    });
  }

  /** Has another program written it? */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    await this.#inTurn(async () => {
      this.#looking = false;
      try {
        await this.#take();
      } catch (error) {
        this.#problem = toProblem(error);
        this.#tell();
      }
      if (this.#dirty && !this.#gone && !this.#foreign) this.#schedule();
    });
  }

  /** The file has another name now, and its history with it. */
  moved(path: string, log: string): Promise<void> {
    return this.#inTurn(async () => this.#rename(path, log));
  }

  /** Into a new file, which is the document's from now on; what is at its old name stays as it is. Throws why it cannot be. */
  saveAs(path: string, log: string): Promise<void> {
    return this.#inTurn(async () => {
      const about = this.#about();
      await mkdir(sysPath(folderOf(path)), { recursive: true }).catch((error: unknown) => {
        throw fileError(error, path);
      });
      await this.#put(path, null, about.snapshot.text);
      this.#written(about);
      this.#rename(path, log);
      this.#tell();
    });
  }

  #rename(path: string, log: string): void {
    const kept = this.#log.open;
    this.#log.remove();
    this.path = path;
    this.#log = new EditLog(log);
    if (kept || this.#dirty) this.#keep();
    this.#watcher?.close();
    this.#follow();
    this.#schedule();
  }

  /** Written if that can be; else what is kept has it. */
  async close(): Promise<void> {
    clearInterval(this.#lookTimer);
    if (this.#dirty) await this.save();
    await this.#inTurn(() => this.#lookLate());
    if (this.#dirty) await this.save();
    clearTimeout(this.#heldTimer);
    await this.#held?.drop();
    this.#saveTimer.stop();
    clearTimeout(this.#tellTimer);
    this.#watcher?.close();
    if (this.#log.open) {
      if (this.#log.wantsRewrite) this.#keep();
      this.#log.touch();
    }
    this.#log.close();
    for (const session of this.sessions) session.stream.end();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(run);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** In the history, before anybody is told that it is. Without `update`: all of it. */
  #keep(update?: Uint8Array): void {
    try {
      if (this.#dirty || update !== undefined) this.#log.unsaved();
      if (update !== undefined && this.#log.open) this.#log.update(update);
      else
        this.#log.rewrite({ path: this.path, doc_id: this.doc_id, shared: this.#shared, file: this.#file });
      for (const session of this.sessions) session.seen = session.received;
    } catch (error) {
      // Its page keeps it until this is told to be kept, or the file has it.
      this.#problem = toProblem(fileError(error, this.path));
    }
  }

  #schedule(): void {
    this.#saveTimer.changed(!this.#dirty);
    this.#dirty = true;
  }

  async #write(over: boolean): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await this.#take().catch((error: unknown) => {
        if (!over) throw error;
      });
      if ((this.#gone || this.#foreign) && !over) return;
      const about = this.#about();
      const { at, snapshot } = about;
      const same = !this.#gone && !this.#foreign && snapshot.text === textOf(this.#shared.disk);
      this.#dirty = false; // more may come meanwhile, and is not in it
      if (!same && !(await this.#replace(snapshot.text))) {
        this.#dirty = true;
        continue;
      }
      this.#written(about);
      if (this.#log.wantsRewrite) this.#keep();
      else if (this.#log.open) this.#log.file(this.#file, at);
      if (!this.#dirty) this.#log.saved();
      return;
    }
    this.#saveTimer.retry();
  }

  /** What is about to be written. */
  #about(): About {
    const counts = [...this.sessions].map((session) => ({ session, count: session.received }));
    return { snapshot: this.#shared.snapshot(), at: this.#log.size, counts };
  }

  #written({ snapshot, counts }: About): void {
    this.#shared.written(snapshot);
    this.#problem = undefined;
    for (const { session, count } of counts) {
      session.saved = count;
      session.seen = Math.max(session.seen, count);
    }
  }

  /** `etag` as in {@link replaceFile}. */
  async #put(path: string, etag: string | null | undefined, text: string): Promise<void> {
    const bytes = encodeText(text, this.#file);
    const info = await replaceFile(path, { etag }, async (file) => {
      await writeAll(file, bytes, 0);
      return bytes.length;
    });
    this.#file = { ...this.#file, etag: info.etag };
    this.#size = info.size;
    this.#gone = false;
    this.#foreign = false;
  }

  /** False when another program was faster. */
  async #replace(text: string): Promise<boolean> {
    await this.#lookLate();
    const { etag } = this.#file;
    // On somebody's word: with the folder that it was in.
    if (this.#gone) await mkdir(sysPath(folderOf(this.path)), { recursive: true });
    const held = this.#gone ? undefined : await HeldFile.hold(this.path, etag, this.#shared.disk);
    // Null: there must be none. Undefined: whatever is there was looked at, and is to go.
    const expected = this.#gone ? null : this.#foreign ? undefined : etag;
    try {
      await this.#put(this.path, expected, text);
      this.#held = held;
      this.#heldTimer = setTimeout(() => void this.#inTurn(() => this.#lookLate()), LATE_WRITE_MS);
      return true;
    } catch (error) {
      await held?.drop();
      this.#dirty = true;
      if (error instanceof CodedError && error.code === "file.changed") return false;
      throw error;
    }
  }

  async #lookLate(): Promise<void> {
    clearTimeout(this.#heldTimer);
    const held = this.#held;
    this.#held = undefined;
    const update = await held?.late();
    if (update === undefined) return;
    Y.applyUpdate(this.#shared.people, update, this);
    this.#keep(update);
    this.#schedule();
  }

  /** Takes over what is on disk, once whoever writes there has finished. */
  async #take(): Promise<void> {
    const now = await settledAt(this.path, this.#gone ? null : this.#file.etag);
    if (now === null) {
      if (!this.#gone) this.#tell();
      this.#gone = true;
      return;
    }
    const known = this.#file.etag === now.etag;
    if (known && !this.#foreign && !this.#gone) {
      if (!this.#dirty && this.#problem) {
        this.#problem = undefined;
        this.#tell();
      }
      return;
    }
    let disk: DiskText | null;
    try {
      disk = await readDisk(this.path);
    } catch (error) {
      this.#foreign = true;
      throw error;
    }
    this.#gone = disk === null;
    this.#tell();
    if (disk === null) return;
    if (this.#foreign) this.#problem = undefined;
    this.#foreign = false;
    this.#size = disk.size;
    this.#file = { ...disk.format, etag: disk.etag };
    const update = this.#shared.fromDisk(disk.text, this);
    if (this.#log.open) {
      if (update !== undefined) this.#log.disk(update);
      this.#log.file(this.#file);
    }
    this.#dirty = this.#shared.dirty;
    if (!this.#dirty) this.#log.saved();
  }

  #follow(): void {
    const name = nameOf(this.path);
    try {
      // The folder, not the file: a save puts another file in its place, and a watch stays with the one before.
      this.#watcher = watch(sysPath(folderOf(this.path)), { persistent: false }, (_, changed) => {
        if (changed === null || changed === name) void this.look();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // No watches are left: it is looked at every few seconds anyway.
    }
  }

  #tell(): void {
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = undefined;
      this.#telling = this.#telling.then(() => this.#say());
    }, TELL_AFTER_MS);
  }

  /** Once what it says is kept outlasts the power too; one wait for the disk for all that came meanwhile. */
  async #say(): Promise<void> {
    const kept = new Map([...this.sessions].map((session) => [session, session.seen]));
    if (!(await this.#log.sync())) {
      kept.clear();
      this.#keep();
      if (this.#log.open) this.#tell();
    }
    for (const session of this.sessions) {
      session.tell(kept.get(session) ?? 0, {
        dirty: this.#dirty,
        gone: this.#gone,
        size: this.#size,
        problem: this.#problem,
      });
    }
  }
}
