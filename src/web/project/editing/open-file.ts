/** One open text file: the shared document (edit-link.ts) in a CodeMirror, with the cursors of the others. */
import { LanguageDescription } from "@codemirror/language";
import { languages } from "@codemirror/language-data";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { yCollab } from "y-codemirror.next";
import type * as Y from "yjs";
import type { Caller } from "../../../conat/caller.ts";
import { TEXT } from "../../../contract/editing/text-doc.ts";
import { codeTheme } from "./code-theme.ts";
import type { Cursors } from "./cursors.ts";
import { EditLink, type LinkState } from "./edit-link.ts";
import { setup } from "./setup.ts";

export interface OpenFileState extends LinkState {
  language: string;
}

export interface OpenFileOptions {
  caller: Caller;
  projectId: string;
  path: string;
  /** Only to look on. */
  watching: boolean;
  parent: HTMLElement;
  dark: boolean;
  onState: (state: OpenFileState) => void;
  onMoved: (path: string) => void;
}

const readOnly = (is: boolean) => [EditorState.readOnly.of(is), EditorView.editable.of(!is)];

export class OpenFile {
  readonly link: EditLink;
  #options: OpenFileOptions;
  #view: EditorView | undefined;
  #theme = new Compartment();
  #language = new Compartment();
  #readOnly = new Compartment();
  #languageName = "";
  #writable = true;
  #closed = false;
  #wantsFocus = false;
  #dark: boolean;
  #flush = () => this.link.flush();

  constructor(options: OpenFileOptions) {
    this.#options = options;
    this.#dark = options.dark;
    const { caller, projectId, path, watching } = options;
    this.link = new EditLink({
      caller,
      projectId,
      path,
      watching,
      storage: localStorage,
      onState: (state) => this.#told(state),
      onMoved: options.onMoved,
      onDoc: (doc, cursors) => this.#show(doc, cursors),
    });
    addEventListener("pagehide", this.#flush);
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
    removeEventListener("pagehide", this.#flush);
    this.link.close();
    this.#view?.destroy();
    this.#view = undefined;
  }

  #told(state: LinkState): void {
    if (state.writable !== this.#writable) {
      this.#writable = state.writable;
      this.#view?.dispatch({ effects: this.#readOnly.reconfigure(readOnly(!state.writable)) });
    }
    this.#options.onState({ ...state, language: this.#languageName });
  }

  /** Of a document that took the place of another the view is made anew, where the cursor was. */
  #show(doc: Y.Doc, cursors: Cursors): void {
    const { path, parent } = this.#options;
    const before = this.#view;
    const text = doc.getText(TEXT);
    const head = Math.min(before?.state.selection.main.head ?? 0, text.length);
    const focused = before?.hasFocus ?? this.#wantsFocus;
    before?.destroy();
    this.#view = new EditorView({
      parent,
      state: EditorState.create({
        doc: text.toString(),
        selection: { anchor: head },
        extensions: [
          keymap.of([
            {
              key: "Mod-s",
              preventDefault: true,
              run: () => {
                this.link.save();
                return true;
              },
            },
          ]),
          setup,
          yCollab(text, cursors),
          this.#theme.of(codeTheme(this.#dark)),
          this.#language.of([]),
          this.#readOnly.of(readOnly(!this.#writable)),
          EditorView.contentAttributes.of({ "aria-label": `Text of ${path}` }),
        ],
      }),
    });
    if (focused) this.#view.focus();
    void this.#colour();
  }

  async #colour(): Promise<void> {
    const found = LanguageDescription.matchFilename(languages, this.#options.path.split("/").pop() ?? "");
    if (found === null) return;
    this.#languageName = found.name;
    if (!this.#closed) this.#told(this.link.state);
    try {
      const support = await found.load();
      this.#view?.dispatch({ effects: this.#language.reconfigure(support) });
    } catch {
      // Text without colours is still text; the name says which language it would be.
    }
  }
}
