/**
 * Frames over a WebSocket, one per message. Works with the browser's WebSocket, Bun's client WebSocket and the
 * sockets of the `ws` package's server: all three have the DOM's event interface. No Node imports: the UI uses it.
 */
import { CodedError } from "../core/errors.ts";
import { CLOSE } from "./caller.ts";
import { decodeFrame, HEADER_BYTES, MAX_PAYLOAD_BYTES } from "./frame.ts";
import type { Transport, TransportEvents } from "./transport.ts";
import { disconnected } from "./wire-error.ts";

/** For a `ws` server's `maxPayload`. */
export const MAX_WS_MESSAGE_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES;
const OPEN = 1;
const CLOSING = 2;

/** What the three kinds of socket share. */
export interface WebSocketLike {
  readyState: number;
  bufferedAmount: number;
  binaryType: string;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "error", listener: (event: unknown) => void): void;
}

/**
 * A transport over an open (or, for held frames, opening) socket.
 * @example wss.handleUpgrade(req, socket, head, (ws) => new Peer(webSocketTransport(ws)))
 */
export function webSocketTransport(socket: WebSocketLike): Transport {
  socket.binaryType = "arraybuffer";
  let events: TransportEvents | undefined;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let over: { error?: CodedError } | undefined;
  let told = false;

  const finish = (error?: CodedError) => {
    if (over === undefined) over = error === undefined ? {} : { error };
    if (told || events === undefined) return;
    told = true;
    events.closed(over.error);
  };
  const receive = (bytes: Uint8Array) => {
    try {
      events?.frame(decodeFrame(bytes));
    } catch (error) {
      socket.close(CLOSE.BAD_FRAME, "conat.malformed");
      finish(error instanceof CodedError ? error : disconnected(String(error)));
    }
  };

  socket.addEventListener("message", ({ data }) => {
    if (over !== undefined) return;
    // ws hands out Buffers or ArrayBuffers, by version and binaryType; text is nothing of ours.
    const bytes =
      data instanceof ArrayBuffer
        ? new Uint8Array(data)
        : data instanceof Uint8Array
          ? data
          : new Uint8Array(0);
    if (events !== undefined) receive(bytes);
    else if (heldBytes <= MAX_WS_MESSAGE_BYTES) {
      held.push(bytes);
      heldBytes += bytes.length;
    } else socket.close(CLOSE.SLOW, "conat.too-slow");
  });
  socket.addEventListener("close", ({ code, reason }) => {
    const clean = code === CLOSE.NORMAL || code === CLOSE.GOING;
    finish(clean ? undefined : closedWith(code, reason));
  });
  // A close event follows, and says more.
  socket.addEventListener("error", () => {});
  if (socket.readyState > CLOSING) queueMicrotask(() => finish());

  return {
    start(handlers) {
      events = handlers;
      const early = held;
      held = [];
      for (const bytes of early) receive(bytes);
      if (over !== undefined) finish();
    },
    send(frame) {
      if (socket.readyState !== OPEN) return;
      try {
        socket.send(frame as Uint8Array<ArrayBuffer>);
      } catch (error) {
        finish(disconnected(String(error)));
      }
    },
    get buffered() {
      return socket.bufferedAmount;
    },
    close(code = CLOSE.NORMAL, reason = "") {
      socket.close(code, reason);
      // A black hole never answers the closing handshake: the owner must not wait for it.
      finish();
    },
  };
}

function closedWith(code: number, reason: string): CodedError {
  if (code === CLOSE.FORBIDDEN) {
    return new CodedError({
      code: "conat.forbidden",
      title: "The connection was refused",
      ...(reason === "" ? {} : { why: reason }),
      status: 403,
    });
  }
  return disconnected(`the socket closed with code ${code}${reason === "" ? "" : ` (${reason})`}`);
}
