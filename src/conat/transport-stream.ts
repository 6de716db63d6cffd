/** Frames over any byte stream: a unix socket, a TLS socket, a pipe. Node's Duplex, as `node:net` sockets are. */
import type { Duplex } from "node:stream";
import { CodedError, messageOf } from "../core/errors.ts";
import { FrameDecoder } from "./frame.ts";
import type { Transport, TransportEvents } from "./transport.ts";
import { disconnected } from "./wire-error.ts";

/** `head` is what was read beyond a preface before the frames began. */
export function streamTransport(stream: Duplex, head?: Uint8Array): Transport {
  let events: TransportEvents | undefined;
  let over: { error?: CodedError } | undefined;
  let told = false;
  const decoder = new FrameDecoder();

  const finish = (error?: CodedError) => {
    if (over === undefined) over = error === undefined ? {} : { error };
    if (told || events === undefined) return;
    told = true;
    events.closed(over.error);
  };
  const receive = (chunk: Uint8Array) => {
    if (over !== undefined) return;
    try {
      decoder.push(chunk, (frame) => {
        if (over === undefined) events?.frame(frame);
      });
    } catch (error) {
      finish(error instanceof CodedError ? error : disconnected(messageOf(error)));
      stream.destroy();
    }
  };

  stream.on("error", (error) => finish(disconnected(messageOf(error))));
  stream.on("close", () => finish());
  // The other side sends no more: a connection of frames is then of no use. Half-open would leak it.
  stream.on("end", () => {
    finish();
    stream.destroy();
  });

  return {
    start(handlers) {
      events = handlers;
      if (head !== undefined && head.length > 0) receive(head);
      stream.on("data", receive);
      // Whoever read a preface paused it, and a listener alone does not undo that.
      stream.resume();
      if (stream.destroyed || over !== undefined) queueMicrotask(() => finish());
    },
    send(frame) {
      if (over === undefined && stream.writable) stream.write(frame);
    },
    get buffered() {
      return stream.writableLength;
    },
    close() {
      finish();
      // What is queued (a goodbye) may still go out, but not for ever.
      stream.end();
      const timer = setTimeout(() => stream.destroy(), 1000);
      if (typeof timer === "object") timer.unref();
    },
  };
}

interface MemorySide {
  other: MemorySide | undefined;
  take(bytes: Uint8Array): void;
  shut(error?: CodedError): void;
  transport: Transport;
}

function memorySide(): MemorySide {
  let events: TransportEvents | undefined;
  const held: Uint8Array[] = [];
  let closed = false;
  const side: MemorySide = {
    other: undefined,
    take(bytes) {
      if (closed) return;
      if (events === undefined) {
        held.push(bytes);
        return;
      }
      try {
        new FrameDecoder().push(bytes, (frame) => events?.frame(frame));
      } catch (error) {
        side.shut(error instanceof CodedError ? error : disconnected(messageOf(error)));
      }
    },
    shut(error) {
      if (closed) return;
      closed = true;
      events?.closed(error);
    },
    transport: {
      start(handlers) {
        events = handlers;
        for (const bytes of held.splice(0)) side.take(bytes);
      },
      send(frame) {
        if (!closed) queueMicrotask(() => side.other?.take(frame));
      },
      buffered: 0,
      close() {
        side.shut();
        queueMicrotask(() => side.other?.shut());
      },
    },
  };
  return side;
}

/** Two transports joined in memory: for tests, and for a hub that is its own host. */
export function memoryTransports(): [Transport, Transport] {
  const a = memorySide();
  const b = memorySide();
  a.other = b;
  b.other = a;
  return [a.transport, b.transport];
}
