/**
 * A credited byte stream inside a connection, with JSON messages in order beside the bytes. A sender may have
 * {@link STREAM_WINDOW_BYTES} on the way; more goes out as the receiver's `onData` callbacks finish. So a slow
 * reader costs a window of memory, never more, and does not hold up the other streams of the connection.
 */
import type { CodedError } from "../core/errors.ts";
import { decodeJson, decodeU32, EMPTY, encodeJson, encodeU32, FRAME, type FrameType } from "./frame.ts";
import { decodeProblem, encodeProblem, protocolError } from "./wire-error.ts";

export const STREAM_WINDOW_BYTES = 256 * 1024;
/** Small enough that a keystroke of another stream never waits long behind it; with room for a header of the user's. */
export const STREAM_CHUNK_BYTES = 32 * 1024 + 64;
/** JSON beside the bytes is not credited, so it is kept small. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/**
 * A connection with more than this waiting gets no more of any stream for a moment: windows of many streams at once
 * would come to what it is closed for (forty files of 1 MiB opened at once did, measured).
 */
const BUSY_BYTES = 4 * 1024 * 1024;
const BUSY_PAUSE_MS = 4;
/** Credit goes back once this much was read: one CREDIT frame per many DATA frames. */
const CREDIT_STEP_BYTES = STREAM_WINDOW_BYTES / 4;

export type StreamSend = (type: FrameType, payload: Uint8Array) => void;

interface Write {
  bytes: Uint8Array;
  done: () => void;
  failed: (error: unknown) => void;
}

type Inbound = { data: Uint8Array } | { message: unknown } | { end: true };

export class ConatStream {
  readonly subject: string;
  #send: StreamSend;
  #release: () => void;
  #credit = STREAM_WINDOW_BYTES;
  #writes: Write[] = [];
  #ending = false;
  #ended = false;
  #remoteEnded = false;
  #closed = false;
  #closeError: CodedError | undefined;
  /** Bytes the other side may still send. */
  #allowance = STREAM_WINDOW_BYTES;
  #unreturned = 0;
  #inbox: Inbound[] = [];
  #draining = false;
  #started = false;
  #onData: ((bytes: Uint8Array) => unknown) | undefined;
  #onMessage: ((message: unknown) => void) | undefined;
  #onEnd: (() => void) | undefined;
  #onClose: ((error?: CodedError) => void)[] = [];
  #beforeSend: (() => void) | undefined;
  #waiting: () => number;
  #pause: ReturnType<typeof setTimeout> | undefined;

  /**
   * `release` frees the channel; `beforeSend` runs once before the first frame out (it accepts the stream); `waiting`:
   * bytes that its connection has taken and not sent.
   */
  constructor(options: {
    subject: string;
    send: StreamSend;
    release: () => void;
    waiting: () => number;
    beforeSend?: () => void;
  }) {
    this.#waiting = options.waiting;
    this.subject = options.subject;
    this.#send = options.send;
    this.#release = options.release;
    this.#beforeSend = options.beforeSend;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes handed to {@link write} that wait for credit. */
  get pending(): number {
    let sum = 0;
    for (const write of this.#writes) sum += write.bytes.length;
    return sum;
  }

  /** Tells the other side that its openStream succeeded; the first write, message or end does so too. */
  accept(): void {
    const accept = this.#beforeSend;
    this.#beforeSend = undefined;
    if (!this.#closed) accept?.();
  }

  /** Resolves when the bytes are on their way: wait for it before reading more from a source. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closeError ?? protocolError("write after close"));
    if (this.#ending) return Promise.reject(protocolError("write after end"));
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((done, failed) => {
      this.#writes.push({ bytes, done, failed });
      this.#pump();
    });
  }

  /** In order with the bytes written before it, unless those still wait for credit: then it overtakes them. */
  sendMessage(message: unknown): void {
    if (this.#closed || this.#ended) return;
    const payload = encodeJson(message);
    if (payload.length > MAX_MESSAGE_BYTES)
      throw protocolError(`a stream message of ${payload.length} bytes`);
    this.accept();
    this.#send(FRAME.MESSAGE, payload);
  }

  /** No more bytes from here, after what was written. The other direction stays open. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#pump();
  }

  /** Breaks both directions; the other side sees `error`. */
  reset(error: unknown): void {
    if (this.#closed) return;
    const payload = encodeProblem(error);
    this.#send(this.#beforeSend === undefined ? FRAME.RESET : FRAME.ERROR, payload);
    this.#close(decodeProblem(payload));
  }

  /** A promise that `onData` returns holds back the credit of these bytes until it settles. */
  onData(callback: (bytes: Uint8Array) => unknown): void {
    this.#onData = callback;
    this.#start();
  }

  onMessage(callback: (message: unknown) => void): void {
    this.#onMessage = callback;
    this.#start();
  }

  /** The other side will send no more. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
    this.#start();
  }

  /** Once, last: both directions ended (no error), or the stream or its connection broke. */
  onClose(callback: (error?: CodedError) => void): void {
    if (this.#closed) queueMicrotask(() => callback(this.#closeError));
    else this.#onClose.push(callback);
  }

  /**
   * From the peer: a frame of this channel. One that breaks the rules breaks this stream, never the connection:
   * behind a relay the connection is shared with people who did nothing wrong.
   */
  receive(type: FrameType, payload: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#take(type, payload);
    } catch (error) {
      this.reset(error);
    }
  }

  #take(type: FrameType, payload: Uint8Array): void {
    switch (type) {
      case FRAME.DATA:
        this.#allowance -= payload.length;
        if (this.#allowance < 0 || this.#remoteEnded) throw protocolError("bytes without credit");
        this.#inbox.push({ data: payload });
        break;
      case FRAME.MESSAGE:
        if (payload.length > MAX_MESSAGE_BYTES) throw protocolError("a stream message too large");
        this.#inbox.push({ message: decodeJson(payload) });
        break;
      case FRAME.END:
        this.#remoteEnded = true;
        this.#inbox.push({ end: true });
        break;
      case FRAME.CREDIT:
        this.#credit += decodeU32(payload);
        if (this.#credit > STREAM_WINDOW_BYTES) throw protocolError("more credit than the window");
        this.#pump();
        return;
      case FRAME.RESET:
      case FRAME.ERROR:
        this.#close(decodeProblem(payload));
        return;
      default:
        throw protocolError(`frame type ${type} in a stream`);
    }
    this.#drain();
  }

  /** From the peer: the connection is gone. */
  gone(error: CodedError): void {
    this.#close(error);
  }

  #pump(): void {
    while (this.#credit > 0) {
      const write = this.#writes[0];
      if (write === undefined) break;
      if (this.#waiting() > BUSY_BYTES) {
        this.#pause ??= setTimeout(() => {
          this.#pause = undefined;
          if (!this.#closed) this.#pump();
        }, BUSY_PAUSE_MS);
        return;
      }
      const size = Math.min(write.bytes.length, this.#credit, STREAM_CHUNK_BYTES);
      this.accept();
      if (this.#closed) return;
      this.#credit -= size;
      this.#send(FRAME.DATA, write.bytes.subarray(0, size));
      if (size === write.bytes.length) {
        this.#writes.shift();
        write.done();
      } else write.bytes = write.bytes.subarray(size);
    }
    if (this.#ending && !this.#ended && this.#writes.length === 0) {
      this.accept();
      this.#ended = true;
      this.#send(FRAME.END, EMPTY);
      this.#maybeFinish();
    }
  }

  #start(): void {
    if (this.#started) return;
    // One microtask later, so that handlers registered together all see the first frame.
    queueMicrotask(() => {
      this.#started = true;
      this.#drain();
    });
  }

  #drain(): void {
    if (!this.#started || this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#inbox[0]; next !== undefined && !this.#closed; next = this.#inbox[0]) {
        if ("data" in next) {
          if (this.#onData === undefined) break;
          this.#inbox.shift();
          this.#deliver(next.data);
        } else if ("message" in next) {
          this.#inbox.shift();
          this.#onMessage?.(next.message);
        } else {
          this.#inbox.shift();
          this.#onEnd?.();
          this.#maybeFinish();
        }
      }
    } catch (error) {
      // A handler of ours threw: this stream breaks and says so, its connection goes on.
      this.#draining = false;
      this.reset(error);
    } finally {
      this.#draining = false;
    }
  }

  #deliver(bytes: Uint8Array): void {
    const size = bytes.length;
    const result = this.#onData?.(bytes);
    if (result instanceof Promise) {
      result.then(
        () => this.#returnCredit(size),
        (error: unknown) => this.reset(error),
      );
    } else this.#returnCredit(size);
  }

  #returnCredit(size: number): void {
    if (this.#closed || this.#remoteEnded) return;
    this.#unreturned += size;
    if (this.#unreturned < CREDIT_STEP_BYTES) return;
    this.#allowance += this.#unreturned;
    this.#send(FRAME.CREDIT, encodeU32(this.#unreturned));
    this.#unreturned = 0;
  }

  #maybeFinish(): void {
    if (this.#ended && this.#remoteEnded && this.#inbox.length === 0) this.#close(undefined);
  }

  #close(error: CodedError | undefined): void {
    if (this.#closed) return;
    // What came before a reset is still delivered: a shell's last output precedes its end.
    if (error !== undefined && this.#started) this.#drain();
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#release();
    for (const write of this.#writes.splice(0)) write.failed(error ?? protocolError("the stream closed"));
    this.#inbox = [];
    for (const callback of this.#onClose.splice(0)) callback(error);
  }
}
