/**
 * stdout and stderr in one byte stream: chunks of a file descriptor number (u8, 1 or 2), a length (u32 BE) and
 * that many bytes. So both keep their order and share one credit window.
 */
import { CodedError } from "../core/errors.ts";

/** With its header one frame of a stream; one packet of SSH, and half of what a full pipe gives. */
export const EXEC_CHUNK_BYTES = 32 * 1024;
const HEADER_BYTES = 5;

export function encodeExecChunk(fd: 1 | 2, bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(HEADER_BYTES + bytes.length);
  chunk[0] = fd;
  new DataView(chunk.buffer).setUint32(1, bytes.length);
  chunk.set(bytes, HEADER_BYTES);
  return chunk;
}

/** Cuts the stream into its chunks again; passes on parts as they come and holds back only a cut header. */
export class ExecDecoder {
  #header: number[] = [];
  #fd: 1 | 2 = 1;
  #left = 0;

  push(bytes: Uint8Array, onOutput: (fd: 1 | 2, bytes: Uint8Array) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        this.#header.push(bytes[at++]!);
        if (this.#header.length < HEADER_BYTES) continue;
        const [fd, a, b, c, d] = this.#header as [number, number, number, number, number];
        if (fd !== 1 && fd !== 2) {
          throw new CodedError({ code: "exec.malformed", title: "The output of the command is malformed" });
        }
        this.#fd = fd;
        this.#left = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
        this.#header = [];
        continue;
      }
      const end = Math.min(bytes.length, at + this.#left);
      onOutput(this.#fd, bytes.subarray(at, end));
      this.#left -= end - at;
      at = end;
    }
  }
}
