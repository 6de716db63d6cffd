/** One page that has a file open: what it is told, and how much of what it said is kept and written. */
import type { ConatStream } from "../../conat/stream.ts";
import { EDIT_FRAME, type EditFrameType, encodeEditFrame } from "../../contract/editing/frames.ts";
import type { EditCursor, EditPerson, EditState } from "../../contract/project-services/editing.ts";
import { CodedError } from "../../core/errors.ts";

/** What waits for a page that is slow to take it; beyond, it comes again and asks for what it lacks. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

interface EditorOf {
  path: string;
  client: number;
  person: EditPerson | undefined;
  who: number;
}

export class EditSession {
  readonly stream: ConatStream;
  /** As the page asked for it, made absolute. */
  path: string;
  readonly client: number;
  /** Undefined for one who looks on. */
  readonly person: EditPerson | undefined;
  /** What other pages know it by. */
  readonly who: number;
  /** Frames that came; that are kept whatever happens; that are in the file. */
  received = 0;
  seen = 0;
  saved = 0;
  #told = 0;
  /** Undefined until it said that it is there. */
  here: { cursor: EditCursor | null } | undefined;

  constructor(stream: ConatStream, from: EditorOf) {
    this.stream = stream;
    this.path = from.path;
    this.client = from.client;
    this.person = from.person;
    this.who = from.who;
  }

  /** The same page, come again: its older line may not have broken yet. */
  isPageOf(other: EditSession): boolean {
    return this.client === other.client && this.person?.account_id === other.person?.account_id;
  }

  update(update: Uint8Array): void {
    this.#frame(EDIT_FRAME.UPDATE, update);
  }

  vector(vector: Uint8Array): void {
    this.#frame(EDIT_FRAME.VECTOR, vector);
  }

  /** `kept`: of `seen`, what outlasts the power; what is in the file does so too, and what was told once stays told. */
  tell(kept: number, state: Omit<EditState, "type" | "seen" | "saved">): void {
    this.#told = Math.max(this.#told, kept, this.saved);
    this.stream.sendMessage({ type: "state", seen: this.#told, saved: this.saved, ...state });
  }

  /** The file is elsewhere: `path` absolute, `told` as people write it. One who looks on has no right to follow it there. */
  moved(path: string, told: string): void {
    this.path = path;
    if (this.person === undefined) this.stream.end();
    else this.stream.sendMessage({ type: "moved", path: told });
  }

  /** Tells of another page where it is, or that it left. */
  there({ who, person, here }: EditSession): void {
    const known = here === undefined ? { person: null, cursor: null } : { person, cursor: here.cursor };
    this.stream.sendMessage({ type: "there", who, ...known });
  }

  #frame(type: EditFrameType, payload: Uint8Array): void {
    if (this.stream.closed) return;
    if (this.stream.pending > MAX_WAITING_BYTES) {
      this.stream.reset(new CodedError({ code: "edit.too-slow", title: "The page does not keep up" }));
      return;
    }
    // It fails when the stream closes, and the session ends by that.
    this.stream.write(encodeEditFrame(type, payload)).catch(() => {});
  }
}
