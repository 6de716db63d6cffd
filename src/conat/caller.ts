/** What the two ends of a connection are to their users: who asks, what comes in, and how much of it. */
import type { CodedError } from "../core/errors.ts";
import type { FrameType } from "./frame.ts";
import type { Peer } from "./peer.ts";
import type { ConatStream } from "./stream.ts";

export const HEARTBEAT_MS = 15_000;
/** Nothing heard for this long: the connection is a black hole. */
export const DEAD_AFTER_MS = 45_000;
export const REQUEST_TIMEOUT_MS = 20_000;
/** Requests and streams the other side may have open at once. */
export const MAX_CHANNELS = 4096;
export const MAX_SUBSCRIPTIONS = 1024;
/** A reader this far behind is disconnected: memory stays bounded. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;

/** WebSocket close codes (4000–4999 are ours to give). */
export const CLOSE = {
  NORMAL: 1000,
  GOING: 1001,
  BAD_FRAME: 4400,
  FORBIDDEN: 4403,
  DEAD: 4408,
  SLOW: 4429,
} as const;

export interface RequestOptions {
  /** Milliseconds; {@link REQUEST_TIMEOUT_MS} unless said. */
  timeout?: number;
}

/** What a Peer, a Client and a Router's caller share. */
export interface Caller {
  /** JSON in, JSON out. Failures are {@link CodedError}, with the far side's code. */
  request(subject: string, data?: unknown, options?: RequestOptions): Promise<unknown>;
  publish(subject: string, data: unknown): void;
  /** Returns what ends the subscription. */
  subscribe(pattern: string, callback: (subject: string, data: unknown) => void): () => void;
  openStream(subject: string, params?: unknown, options?: RequestOptions): Promise<ConatStream>;
}

/** Something that receives the frames of one channel. */
export interface Channel {
  receive(type: FrameType, payload: Uint8Array): void;
  /** The connection is gone. */
  gone(error: CodedError): void;
}

/** A request or an opening stream that came in, before anybody took it. */
export interface Incoming {
  kind: "request" | "stream";
  subject: string;
  /** The JSON as it came. */
  json: Uint8Array;
  peer: Peer;
  /** Sends a frame of this channel back. */
  send(type: FrameType, payload: Uint8Array): void;
  /** Gives the channel's further frames to `channel`. */
  attach(channel: Channel): void;
  /** Forgets the channel. */
  release(): void;
  fail(error: unknown): void;
}

export interface PeerService {
  incoming(incoming: Incoming): void;
  published(peer: Peer, subject: string, json: Uint8Array): void;
  subscribed(peer: Peer, pattern: string): void;
}
