/**
 * Conat, the message layer: subjects, requests, publications and credited byte streams over one connection per
 * pair. What the UI may import; `transport-stream.ts` is for Node and Bun alone.
 */
export { type ClientOptions, type ClientState, ConatClient, connect } from "./client.ts";
export { type Caller, CLOSE, Peer, type RequestOptions } from "./peer.ts";
export {
  type Attachment,
  type CallContext,
  type Handler,
  type Rights,
  Router,
  type StreamHandler,
} from "./router.ts";
export { ConatStream } from "./stream.ts";
export { MAX_WS_MESSAGE_BYTES, type WebSocketLike, webSocketTransport } from "./transport-ws.ts";
