/**
 * One end of a connection. Both ends are alike: each may ask, publish, subscribe and open streams. What comes in
 * and is not an answer goes to the {@link PeerService} (a Router), or to this peer's own subscriptions.
 */
import { CodedError } from "../core/errors.ts";
import {
  type Caller,
  type Channel,
  CLOSE,
  DEAD_AFTER_MS,
  HEARTBEAT_MS,
  MAX_BUFFERED_BYTES,
  MAX_CHANNELS,
  MAX_SUBSCRIPTIONS,
  type PeerService,
  REQUEST_TIMEOUT_MS,
  type RequestOptions,
} from "./caller.ts";
import {
  decodeAddressed,
  decodeJson,
  EMPTY,
  encodeAddressed,
  encodeFrame,
  encodeJson,
  FRAME,
  type Frame,
  type FrameType,
  OWNED_BY_RECEIVER,
} from "./frame.ts";
import { ConatStream } from "./stream.ts";
import { checkSubject, isPattern, isSubject, matches } from "./subject.ts";
import type { Transport } from "./transport.ts";
import {
  decodeProblem,
  disconnected,
  encodeProblem,
  noResponder,
  protocolError,
  timedOut,
} from "./wire-error.ts";

export class Peer implements Caller {
  /** Patterns the other side subscribed to, by its number. Judged by the service at each delivery. */
  readonly remoteSubscriptions = new Map<number, string>();
  /** Round trip of the last heartbeat, in milliseconds. */
  rtt: number | undefined;
  #transport: Transport;
  #service: PeerService | undefined;
  #onSubscriberError: ((subject: string, error: unknown) => void) | undefined;
  #mine = new Map<number, Channel>();
  #theirs = new Map<number, Channel>();
  #next = 1;
  #subscriptions = new Map<number, { pattern: string; callback: (subject: string, data: unknown) => void }>();
  #closed: CodedError | undefined;
  #onClose: ((error: CodedError) => void)[] = [];
  /** By the clock that nobody sets: one that jumps must not end every connection. */
  #lastHeard = performance.now();
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #pings = new Map<number, { sent: number; answered: (rtt: number) => void }>();

  /** `heartbeat` false where the kernel tells of a dead peer by itself (unix sockets). */
  constructor(
    transport: Transport,
    options: {
      service?: PeerService;
      heartbeat?: false | { interval: number; deadAfter: number };
      /** A publication was malformed, or a subscriber threw on it (its schema did not fit): for a log. */
      onSubscriberError?: (subject: string, error: unknown) => void;
    } = {},
  ) {
    this.#transport = transport;
    this.#service = options.service;
    this.#onSubscriberError = options.onSubscriberError;
    const beat = options.heartbeat ?? { interval: HEARTBEAT_MS, deadAfter: DEAD_AFTER_MS };
    if (beat !== false) this.#heartbeat = setInterval(() => this.#beat(beat.deadAfter), beat.interval);
    // Not at once: frames that came early must find the service that our maker is about to set.
    queueMicrotask(() =>
      transport.start({
        frame: (frame) => this.#receive(frame),
        closed: (error) => this.#gone(error ?? disconnected()),
      }),
    );
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Bytes that wait to go out. */
  get buffered(): number {
    return this.#transport.buffered;
  }

  /** Whom incoming requests go to; a router sets itself. */
  setService(service: PeerService): void {
    this.#service = service;
    for (const pattern of this.remoteSubscriptions.values()) service.subscribed(this, pattern);
  }

  onClose(callback: (error: CodedError) => void): void {
    const closed = this.#closed;
    if (closed !== undefined) queueMicrotask(() => callback(closed));
    else this.#onClose.push(callback);
  }

  async request(subject: string, data?: unknown, options: RequestOptions = {}): Promise<unknown> {
    checkSubject(subject);
    const json = encodeJson(data);
    const timeout = options.timeout ?? REQUEST_TIMEOUT_MS;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        channel.send(FRAME.CANCEL, EMPTY);
        channel.release();
        reject(timedOut(subject, timeout));
      }, timeout);
      const channel = this.openChannel(FRAME.REQUEST, subject, json, {
        receive: (type, payload) => {
          clearTimeout(timer);
          channel.release();
          try {
            if (type === FRAME.REPLY) resolve(decodeJson(payload));
            else if (type === FRAME.ERROR) reject(decodeProblem(payload));
            else reject(protocolError(`frame type ${type} as an answer`));
          } catch (error) {
            // An answer that is no JSON rejects instead of ending the connection.
            reject(error);
          }
        },
        gone: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  publish(subject: string, data: unknown): void {
    this.publishRaw(checkSubject(subject), encodeJson(data));
  }

  /** As {@link publish}, with JSON that is encoded already. */
  publishRaw(subject: string, json: Uint8Array): void {
    this.#send(FRAME.PUBLISH, 0, encodeAddressed(subject, json));
  }

  subscribe(pattern: string, callback: (subject: string, data: unknown) => void): () => void {
    checkSubject(pattern, "pattern");
    const id = this.#number();
    this.#subscriptions.set(id, { pattern, callback });
    this.#send(FRAME.SUBSCRIBE, id, encodeAddressed(pattern, EMPTY));
    return () => {
      if (this.#subscriptions.delete(id)) this.#send(FRAME.UNSUBSCRIBE, id, EMPTY);
    };
  }

  async openStream(subject: string, params?: unknown, options: RequestOptions = {}): Promise<ConatStream> {
    checkSubject(subject);
    const json = encodeJson(params);
    const timeout = options.timeout ?? REQUEST_TIMEOUT_MS;
    return await new Promise((resolve, reject) => {
      let accepted = false;
      const timer = setTimeout(() => stream.reset(timedOut(subject, timeout)), timeout);
      const channel = this.openChannel(FRAME.OPEN, subject, json, {
        receive: (type, payload) => {
          if (type === FRAME.ACCEPT && !accepted) {
            accepted = true;
            clearTimeout(timer);
            resolve(stream);
          } else stream.receive(type, payload);
        },
        gone: (error) => stream.gone(error),
      });
      const stream = new ConatStream({ subject, ...channel, waiting: () => this.buffered });
      stream.onClose((error) => {
        clearTimeout(timer);
        if (!accepted) reject(error ?? protocolError("the stream ended before it was accepted"));
      });
    });
  }

  /** Opens a channel of ours: the low level under requests, streams and relays. */
  openChannel(
    type: typeof FRAME.REQUEST | typeof FRAME.OPEN,
    subject: string,
    json: Uint8Array,
    channel: Channel,
  ): { send: (type: FrameType, payload: Uint8Array) => void; release: () => void } {
    const id = this.#number();
    const closed = this.#closed;
    if (closed !== undefined) queueMicrotask(() => channel.gone(closed));
    else {
      this.#mine.set(id, channel);
      this.#send(type, id, encodeAddressed(subject, json));
    }
    return {
      send: (type, payload) => this.#send(type, id, payload),
      release: () => this.#mine.delete(id),
    };
  }

  /** Round trip in milliseconds. Rejects with `conat.timeout` when nothing comes back in time. */
  ping(timeout = 5000): Promise<number> {
    return new Promise((resolve, reject) => {
      const id = this.#number();
      const timer = setTimeout(() => {
        this.#pings.delete(id);
        reject(timedOut("ping", timeout));
      }, timeout);
      this.#pings.set(id, {
        sent: performance.now(),
        answered: (rtt) => {
          clearTimeout(timer);
          resolve(rtt);
        },
      });
      this.#send(FRAME.PING, id, EMPTY);
    });
  }

  /** Says why, then closes. */
  close(reason?: unknown, code: number = CLOSE.NORMAL): void {
    if (this.#closed !== undefined) return;
    const payload = reason === undefined ? undefined : encodeProblem(reason);
    if (payload !== undefined) this.#send(FRAME.GOODBYE, 0, payload);
    const error = payload === undefined ? disconnected("closed on this side") : decodeProblem(payload);
    this.#gone(error);
    this.#transport.close(code, error.code);
  }

  #number(): number {
    do this.#next = this.#next >= OWNED_BY_RECEIVER - 1 ? 1 : this.#next + 1;
    while (this.#mine.has(this.#next) || this.#subscriptions.has(this.#next) || this.#pings.has(this.#next));
    return this.#next;
  }

  #send(type: FrameType, channel: number, payload: Uint8Array): void {
    if (this.#closed !== undefined) return;
    this.#transport.send(encodeFrame(type, channel, payload));
    if (this.#transport.buffered > MAX_BUFFERED_BYTES) {
      // Its own turn: the caller is in the middle of something, and a goodbye would not get through anyway.
      queueMicrotask(() => this.#tooSlow());
    }
  }

  #tooSlow(): void {
    if (this.#closed !== undefined) return;
    this.#gone(
      new CodedError({
        code: "conat.too-slow",
        title: "The connection was closed because it did not keep up",
        why: `More than ${MAX_BUFFERED_BYTES / 1024 / 1024} MiB waited to be sent.`,
        status: 503,
      }),
    );
    this.#transport.close(CLOSE.SLOW, "conat.too-slow");
  }

  #beat(deadAfter: number): void {
    if (performance.now() - this.#lastHeard > deadAfter) {
      this.#gone(disconnected(`nothing was heard for ${Math.round(deadAfter / 1000)} s`));
      this.#transport.close(CLOSE.DEAD, "conat.disconnected");
      return;
    }
    this.ping(deadAfter).then(
      () => {},
      // A lost ping is judged by the next beat.
      () => {},
    );
  }

  #gone(error: CodedError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    clearInterval(this.#heartbeat);
    const channels = [...this.#mine.values(), ...this.#theirs.values()];
    this.#mine.clear();
    this.#theirs.clear();
    this.#subscriptions.clear();
    this.remoteSubscriptions.clear();
    for (const channel of channels) channel.gone(error);
    for (const callback of this.#onClose.splice(0)) callback(error);
  }

  #receive(frame: Frame): void {
    if (this.#closed !== undefined) return;
    this.#lastHeard = performance.now();
    try {
      this.#dispatch(frame);
    } catch (error) {
      this.close(error, CLOSE.BAD_FRAME);
    }
  }

  #dispatch({ type, channel, payload }: Frame): void {
    switch (type) {
      case FRAME.PING:
        this.#send(FRAME.PONG, channel, EMPTY);
        return;
      case FRAME.PONG: {
        const ping = this.#pings.get(channel);
        this.#pings.delete(channel);
        if (ping === undefined) return;
        this.rtt = performance.now() - ping.sent;
        ping.answered(this.rtt);
        return;
      }
      case FRAME.GOODBYE: {
        const error = decodeProblem(payload);
        this.#gone(error);
        this.#transport.close(CLOSE.NORMAL, error.code.slice(0, 80));
        return;
      }
      case FRAME.PUBLISH: {
        const { subject, json } = decodeAddressed(payload);
        if (!isSubject(subject)) throw protocolError("a publication without a subject");
        this.#service?.published(this, subject, json);
        for (const { pattern, callback } of [...this.#subscriptions.values()]) {
          if (!matches(pattern, subject)) continue;
          try {
            callback(subject, decodeJson(json));
          } catch (error) {
            // Somebody else's publication, which a router passed on: no reason to leave the router.
            this.#onSubscriberError?.(subject, error);
          }
        }
        return;
      }
      case FRAME.SUBSCRIBE: {
        const { subject: pattern } = decodeAddressed(payload);
        if (!isPattern(pattern)) throw protocolError("a subscription without a pattern");
        if (this.remoteSubscriptions.size >= MAX_SUBSCRIPTIONS) throw protocolError("too many subscriptions");
        this.remoteSubscriptions.set(channel, pattern);
        this.#service?.subscribed(this, pattern);
        return;
      }
      case FRAME.UNSUBSCRIBE:
        this.remoteSubscriptions.delete(channel);
        return;
      case FRAME.REQUEST:
      case FRAME.OPEN:
        this.#incoming(type, channel, payload);
        return;
      default: {
        const own = channel >= OWNED_BY_RECEIVER;
        // One that is not known is late, not wrong: we released it while the frame was on its way.
        if (own) this.#mine.get(channel - OWNED_BY_RECEIVER)?.receive(type, payload);
        else this.#theirs.get(channel)?.receive(type, payload);
      }
    }
  }

  #incoming(type: typeof FRAME.REQUEST | typeof FRAME.OPEN, channel: number, payload: Uint8Array): void {
    if (channel === 0 || channel >= OWNED_BY_RECEIVER || this.#theirs.has(channel)) {
      throw protocolError(`channel ${channel} cannot be opened`);
    }
    const { subject, json } = decodeAddressed(payload);
    const send = (type: FrameType, payload: Uint8Array) =>
      this.#send(type, channel + OWNED_BY_RECEIVER, payload);
    const release = () => {
      this.#theirs.delete(channel);
    };
    const fail = (error: unknown) => {
      release();
      send(FRAME.ERROR, encodeProblem(error));
    };
    if (!isSubject(subject)) {
      fail(new CodedError({ code: "conat.bad-subject", title: "That is no subject", status: 400 }));
      return;
    }
    if (this.#theirs.size >= MAX_CHANNELS) {
      fail(
        new CodedError({
          code: "conat.too-many",
          title: `More than ${MAX_CHANNELS} requests and streams are open on this connection`,
          status: 429,
        }),
      );
      return;
    }
    if (this.#service === undefined) {
      fail(noResponder(subject));
      return;
    }
    this.#service.incoming({
      kind: type === FRAME.REQUEST ? "request" : "stream",
      subject,
      json,
      peer: this,
      send,
      attach: (receiver) => {
        if (this.#closed === undefined) this.#theirs.set(channel, receiver);
        else receiver.gone(this.#closed);
      },
      release,
      fail,
    });
  }
}
