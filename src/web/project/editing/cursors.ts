/** Who has the file open and where their cursors are, in the form that y-codemirror.next asks for (an "awareness" of Yjs). */
import type * as Y from "yjs";
import type { EditCursor, EditPerson } from "../../../contract/project-services/editing.ts";
import { hueOf } from "../../components/format.ts";

type Painted = EditPerson & { color: string; colorLight: string };
interface Mine {
  cursor: EditCursor | null;
}
interface Theirs extends Mine {
  user: Painted;
}
interface Change {
  added: number[];
  updated: number[];
  removed: number[];
}
type Listener = (change: Change, origin: unknown) => void;

/** Colours are this page's own, never what another page says: they end up in a style. */
function painted(person: EditPerson): Painted {
  const hue = hueOf(person.account_id);
  return { ...person, color: `hsl(${hue} 60% 45%)`, colorLight: `hsl(${hue} 60% 45% / 0.25)` };
}

export class Cursors {
  readonly doc: Y.Doc;
  #mine: Mine | null;
  #states = new Map<number, Theirs>();
  #listeners = new Set<Listener>();
  #moved: (cursor: EditCursor | null) => void;

  /** `watching`: to look on, with no cursor that others see. `moved` is told of this page's own. */
  constructor(doc: Y.Doc, watching: boolean, moved: (cursor: EditCursor | null) => void) {
    this.doc = doc;
    this.#moved = moved;
    this.#mine = watching ? null : { cursor: null };
  }

  getLocalState(): Mine | null {
    return this.#mine;
  }

  setLocalStateField(field: string, value: unknown): void {
    const state = this.#mine;
    if (state === null || field !== "cursor") return;
    // Relative positions of Yjs carry methods; what is told is their JSON.
    state.cursor = JSON.parse(JSON.stringify(value)) as EditCursor | null;
    this.#moved(state.cursor);
    this.#emit({ added: [], updated: [this.doc.clientID], removed: [] }, "local");
  }

  /** Of the other pages. */
  getStates(): Map<number, Theirs> {
    return this.#states;
  }

  /** Those at other pages, each once. */
  get others(): EditPerson[] {
    const found = new Map<string, EditPerson>();
    for (const { user } of this.#states.values()) found.set(user.account_id, user);
    return [...found.values()];
  }

  there(who: number, person: EditPerson | null, cursor: EditCursor | null): void {
    // Below all ids of Yjs, among which is this page's own.
    const client = -who;
    const had = this.#states.has(client);
    if (person === null) this.#states.delete(client);
    else this.#states.set(client, { user: painted(person), cursor });
    this.#emit(
      {
        added: person !== null && !had ? [client] : [],
        updated: person !== null && had ? [client] : [],
        removed: person === null && had ? [client] : [],
      },
      "remote",
    );
  }

  /** The connection is lost: nobody is known to be here. */
  clear(): void {
    const removed = [...this.#states.keys()];
    this.#states.clear();
    if (removed.length > 0) this.#emit({ added: [], updated: [], removed }, "remote");
  }

  on(_: "change", listener: Listener): void {
    this.#listeners.add(listener);
  }

  off(_: "change", listener: Listener): void {
    this.#listeners.delete(listener);
  }

  #emit(change: Change, origin: unknown): void {
    for (const listener of [...this.#listeners]) listener(change, origin);
  }
}
