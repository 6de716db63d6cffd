/** Who has the file open and where their cursors are, in the form that y-codemirror.next asks for (an "awareness" of Yjs). */
import type * as Y from "yjs";
import type { EditCursor, EditPerson } from "../../../contract/project-services/editing.ts";
import { hueOf } from "../../components/format.ts";

export interface Here {
  user: EditPerson & { color: string; colorLight: string };
  cursor: EditCursor | null;
}
interface Change {
  added: number[];
  updated: number[];
  removed: number[];
}
type Listener = (change: Change, origin: unknown) => void;

/** Colours are this page's own, never what another page says: they end up in a style. */
function painted(person: EditPerson): Here["user"] {
  const hue = hueOf(person.account_id);
  return { ...person, color: `hsl(${hue} 60% 45%)`, colorLight: `hsl(${hue} 60% 45% / 0.25)` };
}

export class Cursors {
  readonly doc: Y.Doc;
  #states = new Map<number, Here>();
  #listeners = new Set<Listener>();
  #moved: (cursor: EditCursor | null) => void;

  /** `me` is undefined for one who only looks on; `moved` is told of this page's own cursor. */
  constructor(doc: Y.Doc, me: EditPerson | undefined, moved: (cursor: EditCursor | null) => void) {
    this.doc = doc;
    this.#moved = moved;
    if (me !== undefined) this.#states.set(doc.clientID, { user: painted(me), cursor: null });
  }

  getLocalState(): Here | null {
    return this.#states.get(this.doc.clientID) ?? null;
  }

  setLocalStateField(field: string, value: unknown): void {
    const state = this.getLocalState();
    if (state === null || field !== "cursor") return;
    // Relative positions of Yjs carry methods; what is told is their JSON.
    state.cursor = JSON.parse(JSON.stringify(value)) as EditCursor | null;
    this.#moved(state.cursor);
    this.#emit({ added: [], updated: [this.doc.clientID], removed: [] }, "local");
  }

  getStates(): Map<number, Here> {
    return this.#states;
  }

  /** Those at other pages, each once. */
  get others(): EditPerson[] {
    const found = new Map<string, EditPerson>();
    for (const [client, { user }] of this.#states)
      if (client !== this.doc.clientID) found.set(user.account_id, user);
    return [...found.values()];
  }

  there(client: number, person: EditPerson | null, cursor: EditCursor | null): void {
    if (client === this.doc.clientID) return;
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
    const removed = [...this.#states.keys()].filter((client) => client !== this.doc.clientID);
    for (const client of removed) this.#states.delete(client);
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
