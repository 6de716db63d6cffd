/**
 * Joins peers by subject. A request or stream goes to a handler of this process, else to an attached peer that
 * serves the subject; publications go to whoever subscribed. Each attachment says what its peer may call and what
 * it provides; both can change while it lives, and what they no longer cover ends at once.
 */
import type { CodedError } from "../core/errors.ts";
import type { Incoming, PeerService } from "./caller.ts";
import { decodeJson, encodeJson, FRAME } from "./frame.ts";
import type { Peer } from "./peer.ts";
import { type Kill, relay } from "./relay.ts";
import { ConatStream } from "./stream.ts";
import { anyCovers, checkSubject, matches } from "./subject.ts";
import { forbidden, noResponder, protocolError } from "./wire-error.ts";

export interface Rights {
  /** Patterns its peer may call, publish and subscribe to. */
  allow: readonly string[];
  /** Patterns its peer answers and publishes. */
  serve: readonly string[];
}

export interface CallContext<D> {
  peer: Peer;
  attachment: Attachment<D>;
  /** What the attachment was made with: who is calling. */
  data: D;
  /** Aborted when the asker went away or no longer waits. */
  signal: AbortSignal;
}

export type Handler<D> = (subject: string, data: unknown, context: CallContext<D>) => unknown;
export type StreamHandler<D> = (
  subject: string,
  params: unknown,
  stream: ConatStream,
  context: Omit<CallContext<D>, "signal">,
) => unknown;

/** Returns what is passed on in place of `data`. */
export type Stamp<D> = (data: unknown, attachment: Attachment<D>) => unknown;

export class Attachment<D> {
  readonly peer: Peer;
  data: D;
  #rights: Rights;
  /** What runs on this peer's behalf or on its service: ended when rights go. */
  readonly running = new Set<{ subject: string; asked: boolean; kill: Kill }>();
  detach: () => void;

  constructor(peer: Peer, rights: Rights, data: D, detach: () => void) {
    this.peer = peer;
    this.#rights = rights;
    this.data = data;
    this.detach = detach;
  }

  get allow(): readonly string[] {
    return this.#rights.allow;
  }
  get serve(): readonly string[] {
    return this.#rights.serve;
  }

  mayCall(subject: string): boolean {
    return anyCovers(this.#rights.allow, subject);
  }
  serves(subject: string): boolean {
    return anyCovers(this.#rights.serve, subject);
  }

  /** New rights. Requests and streams they do not cover end with `conat.forbidden`. */
  update(rights: Partial<Rights> & { data?: D }): void {
    this.#rights = { allow: rights.allow ?? this.allow, serve: rights.serve ?? this.serve };
    if (rights.data !== undefined) this.data = rights.data;
    for (const { subject, asked, kill } of [...this.running]) {
      if (!(asked ? this.mayCall(subject) : this.serves(subject))) kill(forbidden(subject));
    }
  }
}

export class Router<D = unknown> implements PeerService {
  #attachments = new Map<Peer, Attachment<D>>();
  #handlers: { pattern: string; handler: Handler<D> }[] = [];
  #streamHandlers: { pattern: string; handler: StreamHandler<D> }[] = [];
  #stamps: { pattern: string; stamp: Stamp<D> }[] = [];
  #subscriptions = new Set<{
    pattern: string;
    callback: (subject: string, data: unknown, context: { attachment: Attachment<D>; peer: Peer }) => void;
  }>();

  /** Peers attached now. */
  get attachments(): Iterable<Attachment<D>> {
    return this.#attachments.values();
  }

  /** Answers requests under `pattern`; what the handler throws reaches the asker. Earlier handlers win. */
  handle(pattern: string, handler: Handler<D>): void {
    this.#handlers.push({ pattern: checkSubject(pattern, "pattern"), handler });
  }

  /**
   * Takes streams under `pattern`. The asker's openStream resolves when the handler returns or first writes, and
   * rejects with what the handler throws before that.
   */
  handleStream(pattern: string, handler: StreamHandler<D>): void {
    this.#streamHandlers.push({ pattern: checkSubject(pattern, "pattern"), handler });
  }

  /** Changes what is asked under `pattern` before it goes to whoever serves it: what an asker must not say of itself. */
  stamp(pattern: string, stamp: Stamp<D>): void {
    this.#stamps.push({ pattern: checkSubject(pattern, "pattern"), stamp });
  }

  /** Publications of attached peers, as this process sees them. */
  subscribe(
    pattern: string,
    callback: (subject: string, data: unknown, context: { attachment: Attachment<D>; peer: Peer }) => void,
  ): () => void {
    const entry = { pattern: checkSubject(pattern, "pattern"), callback };
    this.#subscriptions.add(entry);
    return () => this.#subscriptions.delete(entry);
  }

  /** From this process to every attached peer that subscribed, may see it, and passes `filter`. */
  publish(subject: string, data: unknown, filter?: (attachment: Attachment<D>) => boolean): void {
    this.#deliver(checkSubject(subject), encodeJson(data), undefined, filter);
  }

  /** From this process to the attached peer that serves `subject`. `conat.no-responder` when there is none. */
  async request(subject: string, data?: unknown, options?: { timeout?: number }): Promise<unknown> {
    return await this.server(subject).request(subject, data, options);
  }

  async openStream(subject: string, params?: unknown, options?: { timeout?: number }): Promise<ConatStream> {
    return await this.server(subject).openStream(subject, params, options);
  }

  /** The peer that serves a subject: the one attached last, since an agent that came again has replaced itself. */
  server(subject: string): Peer {
    checkSubject(subject);
    const found = this.#serving(subject);
    if (found === undefined) throw noResponder(subject);
    return found.peer;
  }

  attach(peer: Peer, rights: Rights & { data: D }): Attachment<D> {
    const attachment = new Attachment(peer, { allow: rights.allow, serve: rights.serve }, rights.data, () => {
      if (!this.#attachments.delete(peer)) return;
      attachment.update({ allow: [], serve: [] });
    });
    this.#attachments.set(peer, attachment);
    peer.setService(this);
    peer.onClose(() => attachment.detach());
    return attachment;
  }

  incoming(incoming: Incoming): void {
    const attachment = this.#attachments.get(incoming.peer);
    const { subject } = incoming;
    if (attachment === undefined || !attachment.mayCall(subject)) {
      incoming.fail(forbidden(subject));
      return;
    }
    if (incoming.kind === "request") {
      const found = this.#handlers.find(({ pattern }) => matches(pattern, subject));
      if (found !== undefined) {
        this.#answer(incoming, attachment, found.handler);
        return;
      }
    } else {
      const found = this.#streamHandlers.find(({ pattern }) => matches(pattern, subject));
      if (found !== undefined) {
        this.#accept(incoming, attachment, found.handler);
        return;
      }
    }
    const server = this.#serving(subject);
    if (server === undefined) {
      incoming.fail(noResponder(subject));
      return;
    }
    let json = incoming.json;
    const stamped = this.#stamps.find(({ pattern }) => matches(pattern, subject));
    try {
      if (stamped !== undefined) json = encodeJson(stamped.stamp(decodeJson(json), attachment));
    } catch (error) {
      incoming.fail(error);
      return;
    }
    const asked = { subject, asked: true, kill: (_: CodedError) => {} };
    const served = { subject, asked: false, kill: (_: CodedError) => {} };
    attachment.running.add(asked);
    server.running.add(served);
    const kill = relay({ ...incoming, json }, server.peer, () => {
      attachment.running.delete(asked);
      server.running.delete(served);
    });
    asked.kill = kill;
    served.kill = kill;
  }

  published(peer: Peer, subject: string, json: Uint8Array): void {
    const attachment = this.#attachments.get(peer);
    if (attachment === undefined || !(attachment.mayCall(subject) || attachment.serves(subject))) return;
    // Parsed even when nobody here listens: malformed JSON ends its sender's connection, and goes no further.
    const data = decodeJson(json);
    for (const { pattern, callback } of [...this.#subscriptions]) {
      if (matches(pattern, subject)) callback(subject, data, { attachment, peer });
    }
    this.#deliver(subject, json, peer);
  }

  /** A subscription beyond one's rights is a mistake worth telling at once, not silence. */
  subscribed(peer: Peer, pattern: string): void {
    const attachment = this.#attachments.get(peer);
    if (attachment === undefined || !anyCovers(attachment.allow, pattern)) {
      peer.close(forbidden(pattern));
    }
  }

  #serving(subject: string): Attachment<D> | undefined {
    let found: Attachment<D> | undefined;
    for (const attachment of this.#attachments.values()) if (attachment.serves(subject)) found = attachment;
    return found;
  }

  #deliver(
    subject: string,
    json: Uint8Array,
    from: Peer | undefined,
    filter?: (attachment: Attachment<D>) => boolean,
  ): void {
    for (const [peer, attachment] of this.#attachments) {
      if (peer === from || !attachment.mayCall(subject)) continue;
      if (filter !== undefined && !filter(attachment)) continue;
      for (const pattern of peer.remoteSubscriptions.values()) {
        if (!matches(pattern, subject)) continue;
        peer.publishRaw(subject, json);
        break;
      }
    }
  }

  #answer(incoming: Incoming, attachment: Attachment<D>, handler: Handler<D>): void {
    const { subject, peer } = incoming;
    const abort = new AbortController();
    let over = false;
    const finish = (type: typeof FRAME.REPLY | undefined, run: () => Uint8Array | undefined) => {
      if (over) return;
      over = true;
      attachment.running.delete(running);
      incoming.release();
      if (type === undefined) return;
      try {
        incoming.send(type, run() ?? new Uint8Array(0));
      } catch (error) {
        // The answer was too large, or no JSON.
        incoming.fail(error);
      }
    };
    const fail = (error: unknown) => {
      if (over) return;
      finish(undefined, () => undefined);
      incoming.fail(error);
    };
    const running = {
      subject,
      asked: true,
      kill: (error: CodedError) => {
        fail(error);
        abort.abort(error);
      },
    };
    attachment.running.add(running);
    incoming.attach({
      receive: (type) => {
        if (type !== FRAME.CANCEL) throw protocolError(`frame type ${type} in a request`);
        finish(undefined, () => undefined);
        abort.abort();
      },
      gone: (error) => {
        finish(undefined, () => undefined);
        abort.abort(error);
      },
    });
    void (async () => {
      try {
        const data = decodeJson(incoming.json);
        const reply = await handler(subject, data, {
          peer,
          attachment,
          data: attachment.data,
          signal: abort.signal,
        });
        finish(FRAME.REPLY, () => encodeJson(reply));
      } catch (error) {
        fail(error);
      }
    })();
  }

  #accept(incoming: Incoming, attachment: Attachment<D>, handler: StreamHandler<D>): void {
    const { subject, peer } = incoming;
    const stream = new ConatStream({
      subject,
      send: incoming.send,
      release: incoming.release,
      waiting: () => peer.buffered,
      beforeSend: () => incoming.send(FRAME.ACCEPT, new Uint8Array(0)),
    });
    const running = { subject, asked: true, kill: (error: CodedError) => stream.reset(error) };
    attachment.running.add(running);
    stream.onClose(() => attachment.running.delete(running));
    incoming.attach({
      receive: (type, payload) => stream.receive(type, payload),
      gone: (error) => stream.gone(error),
    });
    void (async () => {
      try {
        const params = decodeJson(incoming.json);
        await handler(subject, params, stream, { peer, attachment, data: attachment.data });
        stream.accept();
      } catch (error) {
        stream.reset(error);
      }
    })();
  }
}
