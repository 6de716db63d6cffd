/**
 * This page's copy of a file that people edit together, and its line to the agent: what is typed goes out at once, or
 * waits here and in the browser's store while there is no line; after every break both sides tell each other what they
 * lack.
 */
import * as Y from "yjs";
import type { Caller } from "../../../conat/caller.ts";
import { EDIT_FRAME, EditFrameDecoder, encodeEditFrame } from "../../../contract/editing/frames.ts";
import { changeText, copyOf, mergeTexts, textOf } from "../../../contract/editing/text-doc.ts";
import { callProject, openProject, type ProjectStream, writeFile } from "../../../contract/project-client.ts";
import { type EditPerson, MAX_VECTOR_CHARS } from "../../../contract/project-services/editing.ts";
import { CodedError, type ProblemDetails } from "../../../core/errors.ts";
import { base64, unbase64 } from "./base64.ts";
import { Cursors } from "./cursors.ts";
import { type Draft, dropDraft, findDraft, keepDraft } from "./drafts.ts";

/** What is typed reaches the browser's store this much later. */
const DRAFT_DELAY_MS = 400;
const CURSOR_DELAY_MS = 80;
const RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
/** Origin of what came from elsewhere; all else was made here. */
const REMOTE = "remote";

export interface LinkState {
  /** There is a text; it stays when the line breaks. */
  ready: boolean;
  /** The line stands, and both sides have told what they had. */
  live: boolean;
  writable: boolean;
  /** Frames sent, or waiting to be, that the agent has not kept yet; and that are not in the file yet. */
  unkept: number;
  unsaved: number;
  dirty: boolean;
  gone: boolean;
  size: number;
  /** Why it is not saved. */
  problem: ProblemDetails | undefined;
  /** Why the line cannot be had. */
  error: unknown;
  /** What is typed would not come back after a reload. */
  unstored: boolean;
  /** What was typed before a reload does not fit what the file is now, and its text was too long to be kept. */
  misfit: boolean;
  others: EditPerson[];
}

export interface LinkOptions {
  caller: Caller;
  projectId: string;
  path: string;
  /** Only to look on. */
  watching: boolean;
  storage: Storage;
  onState: (state: LinkState) => void;
  /** The file has another name now; `path` is as one asks for it. */
  onMoved?: ((path: string) => void) | undefined;
  /** There is another document to show: the first, or one that took the place of one that the agent no longer knows. */
  onDoc: (doc: Y.Doc, cursors: Cursors) => void;
}

export class EditLink {
  #options: LinkOptions;
  #doc = new Y.Doc();
  /** Of a document that the agent no longer knew. */
  #carried: Draft | undefined;
  /** What the agent is known to have: what a merge of texts starts from. */
  #kept = new Y.Doc();
  #docId: string | undefined;
  #cursors: Cursors;
  #shown = false;
  /** Made here and not kept by the agent; the first `#sent` of them are on the way. */
  #pending: Uint8Array[] = [];
  #sent = 0;
  #seen = 0;
  #saved = 0;
  #total = 0;
  #line: ProjectStream<"files.edit"> | undefined;
  /** No line is opened before its end: it would find a file whose text is not known to be this page's. */
  #making: Promise<unknown> | undefined;
  #closed = false;
  #wake = () => {};
  #draftTimer: ReturnType<typeof setTimeout> | undefined;
  #cursorTimer: ReturnType<typeof setTimeout> | undefined;
  #state: LinkState = {
    ready: false,
    live: false,
    writable: true,
    unkept: 0,
    unsaved: 0,
    dirty: false,
    gone: false,
    size: 0,
    problem: undefined,
    error: undefined,
    unstored: false,
    misfit: false,
    others: [],
  };

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#cursors = this.#begin();
    void this.#run();
  }

  get state(): LinkState {
    return this.#state;
  }

  get text(): string {
    return textOf(this.#doc);
  }

  /** Now, not after the pause; `over` what is no text any more, and anew where it is gone. */
  save(over = false): void {
    this.#line?.send({ type: "save", over });
    this.retry();
  }

  /** As a new file: there is none that a line could be had for. What was typed goes in with the rest of the text. */
  async makeAnew(path = this.#options.path): Promise<void> {
    const { caller, projectId } = this.#options;
    const held = this.#pending.length;
    const made = writeFile(caller, projectId, path, this.text, { etag: null });
    this.#making = made.catch(() => {});
    try {
      await made;
      this.#written(held);
    } finally {
      this.#making = undefined;
      this.retry();
    }
  }

  /** As a new file of another name, which the page is led to. Rejects with why it cannot be. */
  async saveAs(to: string): Promise<void> {
    const { caller, projectId, path, onMoved } = this.#options;
    // The project tells every page that it moved.
    if (this.#state.live) return void (await callProject(caller, projectId, "files.save-as", { path, to }));
    await this.makeAnew(to);
    onMoved?.(to);
  }

  /** Now, not after the next pause. */
  retry(): void {
    this.#wake();
  }

  /** The draft reaches the store before the page goes. */
  flush(): void {
    if (this.#draftTimer !== undefined) this.#store();
  }

  close(): void {
    this.flush();
    this.#closed = true;
    clearTimeout(this.#cursorTimer);
    this.#line?.stream.end();
    this.#wake();
  }

  /** For a document of its own: its listeners and its cursors. */
  #begin(): Cursors {
    const doc = this.#doc;
    doc.on("update", (update: Uint8Array, origin: unknown) => {
      if (this.#doc === doc && origin !== REMOTE) this.#made(update);
    });
    const cursors = new Cursors(doc, this.#options.watching, () => {
      this.#cursorTimer ??= setTimeout(() => this.#tellCursor(), CURSOR_DELAY_MS);
    });
    cursors.on("change", (_, origin) => {
      if (origin === "remote") this.#set({ others: cursors.others });
    });
    return cursors;
  }

  #tellCursor(): void {
    clearTimeout(this.#cursorTimer);
    this.#cursorTimer = undefined;
    const mine = this.#cursors.getLocalState();
    if (mine !== null && this.#state.live) this.#line?.send({ type: "here", cursor: mine.cursor });
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        await this.#follow();
        failures = 0;
      } catch (error) {
        // A lost line is said by the page's banner; what the project says of the file is said here.
        const away = error instanceof CodedError && error.code.startsWith("conat.");
        if (this.#state.live) failures = 0;
        this.#set({ live: false, ...(away ? {} : { error }) });
      }
      this.#line = undefined;
      this.#cursors.clear();
      this.#set({ live: false });
      if (this.#closed) return;
      failures++;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (failures - 1)));
      });
    }
  }

  /** One line, until it ends. */
  async #follow(): Promise<void> {
    const { caller, projectId, path } = this.#options;
    await this.#making;
    const vector = base64(Y.encodeStateVector(this.#doc));
    const line = await openProject(caller, projectId, "files.edit", {
      path,
      client: this.#doc.clientID,
      ...(this.#docId !== undefined && vector.length <= MAX_VECTOR_CHARS
        ? { have: { doc_id: this.#docId, vector } }
        : {}),
    });
    if (this.#closed) {
      line.stream.end();
      return;
    }
    this.#line = line;
    this.#seen = 0;
    this.#saved = 0;
    this.#sent = 0;
    this.#total = 0;
    const decoder = new EditFrameDecoder();
    line.stream.onData((bytes) =>
      decoder.push(bytes, (type, payload) => {
        if (type === EDIT_FRAME.UPDATE) this.#came(payload);
        else this.#synced(payload);
      }),
    );
    line.onMessage((message) => {
      if (message.type === "opened") this.#opened(message.doc_id, message.writable);
      else if (message.type === "moved") this.#options.onMoved?.(message.path);
      else if (message.type === "there") this.#cursors.there(message.who, message.person, message.cursor);
      else {
        const { dirty, gone, size, problem } = message;
        this.#acknowledged(message.seen, message.saved);
        this.#set({ dirty, gone, size, problem });
      }
    });
    line.stream.onEnd(() => line.stream.end());
    await new Promise<void>((resolve, reject) =>
      line.stream.onClose((error) => (error === undefined ? resolve() : reject(error))),
    );
  }

  #opened(docId: string, writable: boolean): void {
    const before = this.#docId;
    this.#docId = docId;
    this.#set({ writable, error: undefined });
    if (before === undefined || before === docId) return;
    // The agent knows nothing of the document that this page has: what was typed is merged as text.
    if (this.#pending.length > 0) {
      const texts = { base: textOf(this.#kept), mine: this.text };
      this.#carried = { doc_id: before, update: base64(Y.mergeUpdates(this.#pending)), texts };
    }
    this.#doc = new Y.Doc();
    this.#kept = new Y.Doc();
    this.#pending = [];
    this.#cursors = this.#begin();
    this.#shown = false;
  }

  #came(update: Uint8Array): void {
    Y.applyUpdate(this.#doc, update, REMOTE);
    Y.applyUpdate(this.#kept, update);
  }

  /** The agent told all it has, and what that is: now this page's turn. */
  #synced(vector: Uint8Array): void {
    const { storage, projectId, path } = this.#options;
    this.#set({ live: true });
    const draft = this.#carried ?? (this.#shown ? undefined : findDraft(storage, projectId, path));
    this.#carried = undefined;
    const lacks = Y.encodeStateAsUpdate(this.#doc, vector);
    if (this.#pending.length > 0 || Y.decodeUpdate(lacks).structs.length > 0) this.#pending = [lacks];
    this.#send();
    if (draft !== undefined) this.#takeUp(draft);
    if (!this.#shown) {
      this.#shown = true;
      this.#options.onDoc(this.#doc, this.#cursors);
    }
    this.#set({ ready: true });
    this.#tellCursor();
  }

  #takeUp(draft: Draft): void {
    const { storage, projectId, path } = this.#options;
    if (draft.doc_id === this.#docId) {
      const trial = copyOf(this.#doc);
      try {
        const update = unbase64(draft.update);
        Y.applyUpdate(trial, update);
        if (trial.store.pendingStructs === null && trial.store.pendingDs === null) {
          Y.applyUpdate(this.#doc, update);
          // Nothing new in it: the agent had it all along.
          if (this.#pending.length === 0) dropDraft(storage, projectId, path);
          return;
        }
      } catch {
        // Not what this page wrote: the texts beside it may still do.
      }
    }
    if (draft.texts === undefined) {
      this.#set({ misfit: true });
      return;
    }
    const { base, mine } = draft.texts;
    // The file has it already: merged, it would be there twice.
    const merged = mine === this.text ? mine : mergeTexts(base, mine, this.text);
    if (!changeText(this.#doc, merged)) dropDraft(storage, projectId, path);
  }

  #made(update: Uint8Array): void {
    this.#pending.push(update);
    this.#send();
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#store(), DRAFT_DELAY_MS);
  }

  #send(): void {
    const stream = this.#line?.stream;
    if (this.#state.live && stream !== undefined && !stream.closed) {
      for (; this.#sent < this.#pending.length; this.#sent++) {
        this.#total++;
        // It fails when the line breaks, and all that is pending goes out again on the next.
        stream
          .write(encodeEditFrame(EDIT_FRAME.UPDATE, this.#pending[this.#sent] as Uint8Array))
          .catch(() => {});
      }
    }
    this.#count();
  }

  #acknowledged(seen: number, saved: number): void {
    this.#sent -= this.#written(seen - this.#seen);
    this.#seen = seen;
    this.#saved = saved;
    this.#count();
  }

  /** The first `count` of what is pending are the project's. Returns how many there were. */
  #written(count: number): number {
    const fresh = this.#pending.splice(0, count);
    for (const update of fresh) Y.applyUpdate(this.#kept, update);
    if (this.#pending.length === 0) this.#forget();
    return fresh.length;
  }

  #count(): void {
    const waiting = this.#pending.length;
    this.#set({ unkept: waiting, unsaved: this.#total - this.#saved + waiting - this.#sent });
  }

  #store(): void {
    clearTimeout(this.#draftTimer);
    this.#draftTimer = undefined;
    const docId = this.#docId;
    if (docId === undefined || this.#pending.length === 0) return;
    const { storage, projectId, path } = this.#options;
    const kept = keepDraft(storage, projectId, path, {
      doc_id: docId,
      update: base64(Y.mergeUpdates(this.#pending)),
      texts: { base: textOf(this.#kept), mine: this.text },
    });
    if (kept === this.#state.unstored) this.#set({ unstored: !kept });
  }

  #forget(): void {
    clearTimeout(this.#draftTimer);
    this.#draftTimer = undefined;
    if (this.#state.misfit) return;
    dropDraft(this.#options.storage, this.#options.projectId, this.#options.path);
    if (this.#state.unstored) this.#set({ unstored: false });
  }

  #set(change: Partial<LinkState>): void {
    const keys = Object.keys(change) as (keyof LinkState)[];
    if (keys.every((key) => change[key] === this.#state[key])) return;
    this.#state = { ...this.#state, ...change };
    if (!this.#closed) this.#options.onState(this.#state);
  }
}
