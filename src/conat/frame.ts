/**
 * Frames: a 9-byte header (type u8, channel u32 BE, length u32 BE) and the raw payload. A header and raw bytes
 * decode ten times faster than msgpack or JSON for terminal text (measured), and a router forwards a frame without
 * parsing it. Over a WebSocket one message is one frame; over a byte stream frames follow each other.
 *
 * A channel belongs to the peer that opened it. The owner numbers it 1…2³¹−1; the other side sends the same number
 * with {@link OWNED_BY_RECEIVER} set. So both sides may open channels without agreeing on who is odd and who even.
 */
import { CodedError } from "../core/errors.ts";

export const HEADER_BYTES = 9;
/** Of one payload. Larger things go through a stream. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** High bit of a channel number: the channel is the receiver's own. */
export const OWNED_BY_RECEIVER = 0x8000_0000;

export const FRAME = {
  /** subject + JSON; answered by REPLY or ERROR. */
  REQUEST: 1,
  REPLY: 2,
  /** Problem JSON: the request failed, or the stream was not accepted. */
  ERROR: 3,
  /** The asker no longer waits. */
  CANCEL: 4,
  PUBLISH: 5,
  SUBSCRIBE: 6,
  UNSUBSCRIBE: 7,
  /** subject + JSON params; answered by ACCEPT or ERROR. */
  OPEN: 8,
  ACCEPT: 9,
  DATA: 10,
  /** u32 BE: that many more bytes of DATA may be sent. */
  CREDIT: 11,
  /** JSON beside the bytes, in order with them. */
  MESSAGE: 12,
  END: 13,
  /** Problem JSON: the stream broke. */
  RESET: 14,
  PING: 15,
  PONG: 16,
  /** Problem JSON: why the connection closes. */
  GOODBYE: 17,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];
const LAST_TYPE = FRAME.GOODBYE;

export interface Frame {
  type: FrameType;
  channel: number;
  /** A view; copy it to keep it. */
  payload: Uint8Array;
}

export const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function malformed(why: string): CodedError {
  return new CodedError({ code: "conat.malformed", title: "A malformed conat frame came", why, status: 400 });
}

export function encodeFrame(type: FrameType, channel: number, payload: Uint8Array = EMPTY): Uint8Array {
  if (payload.length > MAX_PAYLOAD_BYTES) {
    throw new CodedError({
      code: "conat.too-large",
      title: `A message of ${payload.length} bytes is larger than the limit of ${MAX_PAYLOAD_BYTES}`,
      status: 413,
    });
  }
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  frame[0] = type;
  frame[1] = channel >>> 24;
  frame[2] = channel >>> 16;
  frame[3] = channel >>> 8;
  frame[4] = channel;
  const length = payload.length;
  frame[5] = length >>> 24;
  frame[6] = length >>> 16;
  frame[7] = length >>> 8;
  frame[8] = length;
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function header(bytes: Uint8Array, at: number): { type: FrameType; channel: number; length: number } {
  const type = bytes[at]!;
  if (type < 1 || type > LAST_TYPE) throw malformed(`unknown type ${type}`);
  const length = u32(bytes, at + 5);
  if (length > MAX_PAYLOAD_BYTES) throw malformed(`a payload of ${length} bytes`);
  return { type: type as FrameType, channel: u32(bytes, at + 1), length };
}

/** One whole message as one frame. Throws `conat.malformed`. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER_BYTES) throw malformed(`${bytes.length} bytes are no header`);
  const { type, channel, length } = header(bytes, 0);
  if (bytes.length !== HEADER_BYTES + length) {
    throw malformed(`the header says ${length} bytes, ${bytes.length - HEADER_BYTES} came`);
  }
  return { type, channel, payload: bytes.subarray(HEADER_BYTES) };
}

/** Cuts a byte stream into frames. Holds at most one frame; chunks may be cut anywhere. */
export class FrameDecoder {
  #held: Uint8Array = EMPTY;
  #used = 0;

  /** Calls `onFrame` for each frame that `chunk` completes. Throws `conat.malformed`; the stream is then useless. */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let bytes = chunk;
    if (this.#used > 0) {
      this.#append(chunk);
      bytes = this.#held.subarray(0, this.#used);
    }
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const { type, channel, length } = header(bytes, at);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      onFrame({ type, channel, payload: bytes.slice(at + HEADER_BYTES, end) });
      at = end;
    }
    const rest = bytes.length - at;
    if (rest === 0) {
      this.#held = EMPTY;
      this.#used = 0;
    } else if (bytes === chunk || at > 0) {
      this.#held = bytes.slice(at);
      this.#used = rest;
    }
  }

  /** Grows by doubling: a 1 MiB frame in 64 KiB chunks must not be copied sixteen times over. */
  #append(chunk: Uint8Array): void {
    const need = this.#used + chunk.length;
    if (need > this.#held.length) {
      const grown = new Uint8Array(Math.max(need, this.#held.length * 2));
      grown.set(this.#held.subarray(0, this.#used));
      this.#held = grown;
    }
    this.#held.set(chunk, this.#used);
    this.#used = need;
  }
}

export function encodeJson(value: unknown): Uint8Array {
  return value === undefined ? EMPTY : encoder.encode(JSON.stringify(value));
}

/** Empty means undefined. Throws `conat.malformed`. */
export function decodeJson(payload: Uint8Array): unknown {
  if (payload.length === 0) return undefined;
  try {
    return JSON.parse(decoder.decode(payload));
  } catch {
    throw malformed("no JSON where JSON belongs");
  }
}

/** u16 length and subject, then the JSON as it is: a router reads the subject and leaves the rest alone. */
export function encodeAddressed(subject: string, json: Uint8Array): Uint8Array {
  const name = encoder.encode(subject);
  const payload = new Uint8Array(2 + name.length + json.length);
  payload[0] = name.length >>> 8;
  payload[1] = name.length;
  payload.set(name, 2);
  payload.set(json, 2 + name.length);
  return payload;
}

export function decodeAddressed(payload: Uint8Array): { subject: string; json: Uint8Array } {
  if (payload.length < 2) throw malformed("no subject");
  const length = (payload[0]! << 8) | payload[1]!;
  if (payload.length < 2 + length) throw malformed("a subject cut short");
  try {
    return { subject: decoder.decode(payload.subarray(2, 2 + length)), json: payload.subarray(2 + length) };
  } catch {
    throw malformed("a subject that is no text");
  }
}

export function encodeU32(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

export function decodeU32(payload: Uint8Array): number {
  if (payload.length !== 4) throw malformed("a number of the wrong size");
  return u32(payload, 0);
}
