/**
 * One open text file: read, shown, saved as a whole. What somebody else wrote meanwhile is taken over while nothing
 * was typed here, and never overwritten unasked once something was.
 */
import { indentWithTab } from "@codemirror/commands";
import { LanguageDescription } from "@codemirror/language";
import { languages } from "@codemirror/language-data";
import { Compartment, EditorState, Text } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import { basicSetup, EditorView } from "codemirror";
import type { ConatClient } from "../../conat/client.ts";
import { callProject, readTextFile, writeFile } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { codeTheme } from "./code-theme.ts";
import { dropDraft, findDraft, keepDraft } from "./drafts.ts";
import { difference, lineEnding, type Replacement } from "./line-endings.ts";
import { watchPath } from "./watch.ts";

/** What is typed reaches the browser's store this much later. */
const DRAFT_DELAY_MS = 400;

export interface OpenFileState {
  loaded: boolean;
  dirty: boolean;
  saving: boolean;
  /** The file on disk is another than the one this text was made from. */
  conflict: boolean;
  /** What is typed would not come back after a reload. */
  unkept: boolean;
  size: number;
  language: string;
  error: unknown;
}

export interface OpenFileOptions {
  client: ConatClient;
  projectId: string;
  path: string;
  parent: HTMLElement;
  dark: boolean;
  onState: (state: OpenFileState) => void;
}

/** A string would be split at the file's own line ending; {@link difference} speaks of `\n`. */
const asText = ({ from, to, insert }: Replacement) => ({ from, to, insert: Text.of(insert.split("\n")) });

export class OpenFile {
  #options: OpenFileOptions;
  #view: EditorView | undefined;
  #disk: { doc: Text; etag: string } | undefined;
  #theme = new Compartment();
  #language = new Compartment();
  #closed = false;
  #draftTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWatch = () => {};
  #wantsFocus = false;
  #dark: boolean;
  #state: OpenFileState = {
    loaded: false,
    dirty: false,
    saving: false,
    conflict: false,
    unkept: false,
    size: 0,
    language: "",
    error: undefined,
  };

  constructor(options: OpenFileOptions) {
    this.#options = options;
    this.#dark = options.dark;
    void this.load();
    this.#stopWatch = watchPath(
      options.client,
      options.projectId,
      options.path,
      () => void this.#lookAgain(),
    );
  }

  setDark(dark: boolean): void {
    this.#dark = dark;
    this.#view?.dispatch({ effects: this.#theme.reconfigure(codeTheme(dark)) });
  }

  focus(): void {
    this.#wantsFocus = true;
    this.#view?.focus();
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch();
    if (this.#draftTimer !== undefined) this.#keep();
    this.#view?.destroy();
    this.#view = undefined;
  }

  /** What is on disk; what was typed here, if it was, is lost. The first time, a draft that was kept comes back. */
  async load(): Promise<void> {
    const { client, projectId, path } = this.#options;
    try {
      const { text, file } = await readTextFile(client, projectId, path);
      if (this.#closed) return;
      const view = this.#view;
      if (view === undefined) this.#show(text, file.etag);
      else {
        const doc = view.state.toText(text);
        const change = difference(view.state.doc.toString(), doc.toString());
        this.#disk = { doc, etag: file.etag };
        dropDraft(localStorage, projectId, path);
        if (change !== undefined) view.dispatch({ changes: asText(change) });
        this.#set({ dirty: false, conflict: false });
      }
      this.#set({ loaded: true, size: file.size, error: undefined });
    } catch (error) {
      this.#set({ error });
    }
  }

  /** `force` writes over what somebody else wrote. */
  async save(force = false): Promise<void> {
    const view = this.#view;
    const disk = this.#disk;
    if (view === undefined || disk === undefined || this.#state.saving) return;
    const { client, projectId, path } = this.#options;
    const { doc } = view.state;
    this.#set({ saving: true });
    try {
      const written = await writeFile(
        client,
        projectId,
        path,
        view.state.sliceDoc(),
        force ? {} : { etag: disk.etag },
      );
      this.#disk = { doc, etag: written.etag };
      const dirty = this.#view !== undefined && !this.#view.state.doc.eq(doc);
      if (dirty) this.#keep();
      else this.#forget();
      this.#set({ dirty, conflict: false, size: written.size, error: undefined });
    } catch (error) {
      if (error instanceof CodedError && error.code === "file.changed") this.#set({ conflict: true });
      else this.#set({ error });
    } finally {
      this.#set({ saving: false });
    }
    await this.#lookAgain();
  }

  #show(text: string, etag: string): void {
    const { projectId, path, parent } = this.#options;
    const draft = findDraft(localStorage, projectId, path);
    const extensions = [
      EditorState.lineSeparator.of(lineEnding(text)),
      keymap.of([
        {
          key: "Mod-s",
          preventDefault: true,
          run: () => {
            void this.save();
            return true;
          },
        },
      ]),
      basicSetup,
      keymap.of([indentWithTab]),
      this.#theme.of(codeTheme(this.#dark)),
      this.#language.of([]),
      EditorView.contentAttributes.of({ "aria-label": `Text of ${path}` }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) this.#typed();
      }),
    ];
    const state = EditorState.create({ doc: text, extensions });
    // A save of a draft must be held against the file that it was made from.
    this.#disk = { doc: state.doc, etag: draft?.etag ?? etag };
    this.#view = new EditorView({ parent, state });
    if (draft !== undefined) {
      const change = difference(state.doc.toString(), state.toText(draft.text).toString());
      if (change === undefined) {
        this.#disk.etag = etag;
        this.#forget();
      } else {
        this.#view.dispatch({ changes: asText(change) });
        this.#set({ conflict: draft.etag !== etag });
      }
    }
    if (this.#wantsFocus) this.#view.focus();
    void this.#colour();
  }

  async #colour(): Promise<void> {
    const found = LanguageDescription.matchFilename(languages, this.#options.path.split("/").pop() ?? "");
    if (found === null) return;
    this.#set({ language: found.name });
    try {
      const support = await found.load();
      this.#view?.dispatch({ effects: this.#language.reconfigure(support) });
    } catch {
      // Text without colours is still text; the name says which language it would be.
    }
  }

  #typed(): void {
    const view = this.#view;
    const disk = this.#disk;
    if (view === undefined || disk === undefined) return;
    const dirty = !view.state.doc.eq(disk.doc);
    if (dirty !== this.#state.dirty) this.#set({ dirty });
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#keep(), DRAFT_DELAY_MS);
  }

  #keep(): void {
    clearTimeout(this.#draftTimer);
    this.#draftTimer = undefined;
    const view = this.#view;
    const disk = this.#disk;
    if (view === undefined || disk === undefined) return;
    if (view.state.doc.eq(disk.doc)) {
      this.#forget();
      return;
    }
    const { projectId, path } = this.#options;
    const kept = keepDraft(localStorage, projectId, path, {
      text: view.state.sliceDoc(),
      etag: disk.etag,
    });
    if (kept === this.#state.unkept) this.#set({ unkept: !kept });
  }

  #forget(): void {
    clearTimeout(this.#draftTimer);
    this.#draftTimer = undefined;
    dropDraft(localStorage, this.#options.projectId, this.#options.path);
    if (this.#state.unkept) this.#set({ unkept: false });
  }

  /** Somebody may have written it. While a save is under way its own echo is no news; the save looks afterwards. */
  async #lookAgain(): Promise<void> {
    if (this.#disk === undefined) {
      if (!this.#closed) await this.load();
      return;
    }
    if (this.#closed || this.#state.saving) return;
    const { client, projectId, path } = this.#options;
    try {
      const { etag } = await callProject(client, projectId, "files.stat", { path });
      if (this.#closed || this.#state.saving || etag === this.#disk.etag) return;
      if (this.#state.dirty) this.#set({ conflict: true });
      else await this.load();
    } catch (error) {
      const gone = error instanceof CodedError && error.code === "file.not-found";
      // Anything else is the connection, and the banner says that.
      if (gone) this.#set({ conflict: true });
    }
  }

  #set(change: Partial<OpenFileState>): void {
    this.#state = { ...this.#state, ...change };
    if (!this.#closed) this.#options.onState(this.#state);
  }
}
