/** What travels as bytes while people edit together: length u32 BE, type u8, payload. */
import { CodedError } from "../../core/errors.ts";

export const EDIT_FRAME = {
  /** A Yjs update (v1). */
  UPDATE: 1,
  /** The agent's state vector, after all that it had for the page: the page answers with what that lacks. */
  VECTOR: 2,
} as const;
export type EditFrameType = (typeof EDIT_FRAME)[keyof typeof EDIT_FRAME];

/** More than any text that may be edited, with its history. */
export const MAX_EDIT_FRAME_BYTES = 48 * 1024 * 1024;
const HEADER_BYTES = 5;

export function encodeEditFrame(type: EditFrameType, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame[4] = type;
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function malformed(why: string): CodedError {
  return new CodedError({ code: "edit.malformed", title: "A malformed change came", why, status: 400 });
}

/** Cuts a stream's bytes into frames; chunks may be cut anywhere. Throws `edit.malformed`. */
export class EditFrameDecoder {
  #chunks: Uint8Array[] = [];
  #size = 0;

  push(chunk: Uint8Array, onFrame: (type: EditFrameType, payload: Uint8Array) => void): void {
    // A chunk is a view of the connection's buffer.
    this.#chunks.push(chunk.slice());
    this.#size += chunk.length;
    while (this.#size >= HEADER_BYTES) {
      const head = this.#peek();
      const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
      const type = head[4];
      if (type !== EDIT_FRAME.UPDATE && type !== EDIT_FRAME.VECTOR) throw malformed(`unknown type ${type}`);
      if (length > MAX_EDIT_FRAME_BYTES) throw malformed(`a change of ${length} bytes`);
      if (this.#size < HEADER_BYTES + length) return;
      const all = this.#join();
      this.#chunks = all.length > HEADER_BYTES + length ? [all.subarray(HEADER_BYTES + length)] : [];
      this.#size = all.length - HEADER_BYTES - length;
      onFrame(type, all.slice(HEADER_BYTES, HEADER_BYTES + length));
    }
  }

  #peek(): Uint8Array {
    const first = this.#chunks[0] as Uint8Array;
    return first.length >= HEADER_BYTES ? first : this.#join();
  }

  /** Once for a whole frame, however many chunks it came in. */
  #join(): Uint8Array {
    const [only, ...more] = this.#chunks;
    if (only !== undefined && more.length === 0) return only;
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [all];
    return all;
  }
}
