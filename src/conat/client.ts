/**
 * A connection that comes back. Reconnects with jittered backoff, subscribes anew, and tells its state for a UI.
 * Requests in flight at a disconnect fail with `conat.disconnected`, unless flagged idempotent: those are sent
 * again. Streams end with `conat.disconnected`; whoever holds one opens it anew (a terminal with `since`).
 */
import { CodedError, messageOf, type ProblemDetails, toProblem } from "../core/errors.ts";
import { type Caller, REQUEST_TIMEOUT_MS, type RequestOptions } from "./caller.ts";
import { Peer } from "./peer.ts";
import type { ConatStream } from "./stream.ts";
import { checkSubject } from "./subject.ts";
import type { Transport } from "./transport.ts";
import { type WebSocketLike, webSocketTransport } from "./transport-ws.ts";
import { disconnected, timedOut } from "./wire-error.ts";

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** A connection that lived this long was a good one: backoff starts anew. */
const STABLE_MS = 5_000;

export interface ClientState {
  state: "connecting" | "connected" | "waiting" | "closed";
  /** Failed attempts in a row. */
  attempt: number;
  /** Why it is not connected. */
  problem?: ProblemDetails;
  /** When `waiting`: the next attempt, in milliseconds since the epoch. */
  retryAt?: number;
}

export interface ClientOptions {
  /** ws:// or wss://; a function is asked before each attempt. */
  url?: string | (() => string | Promise<string>);
  /** Headers of the upgrade (Bun only), asked before each attempt: a proof may last a minute. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
  /** Bun's TLS options (`ca`, `checkServerIdentity`). */
  tls?: Record<string, unknown>;
  /** Instead of `url`: makes the transport. */
  dial?: () => Promise<Transport>;
  onState?: (state: ClientState) => void;
  /** Each new connection, before anything is sent on it: attach it to a router here. */
  onPeer?: (peer: Peer) => void;
  /** What the far side's refusal must be for the client to stop trying; none unless said. */
  giveUp?: (error: CodedError) => boolean;
  heartbeat?: { interval: number; deadAfter: number };
  /** Milliseconds; 10,000 unless said. */
  maxBackoff?: number;
  /** Milliseconds that a WebSocket may take to open; 10,000 unless said. */
  connectTimeout?: number;
}

export interface ClientRequestOptions extends RequestOptions {
  /** Safe to do twice: sent again after a reconnect, within its timeout. */
  idempotent?: boolean;
}

export function connect(options: ClientOptions): ConatClient {
  return new ConatClient(options);
}

export class ConatClient implements Caller {
  #options: ClientOptions;
  #peer: Peer | undefined;
  #state: ClientState = { state: "connecting", attempt: 0 };
  #subscriptions = new Set<{
    pattern: string;
    callback: (subject: string, data: unknown) => void;
    stop?: () => void;
  }>();
  #waiters = new Set<() => void>();
  #listeners = new Set<(state: ClientState) => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #poking = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    if (options.onState !== undefined) this.#listeners.add(options.onState);
    void this.#attempt();
  }

  get state(): ClientState {
    return this.#state;
  }

  /** The connection of now, or undefined. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  /** Round trip of the last heartbeat, in milliseconds. */
  get rtt(): number | undefined {
    return this.#peer?.rtt;
  }

  onState(listener: (state: ClientState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async request(subject: string, data?: unknown, options: ClientRequestOptions = {}): Promise<unknown> {
    const deadline = performance.now() + (options.timeout ?? REQUEST_TIMEOUT_MS);
    for (;;) {
      const peer = await this.#connected(deadline, subject);
      try {
        return await peer.request(subject, data, { timeout: Math.max(1, deadline - performance.now()) });
      } catch (error) {
        const lost = error instanceof CodedError && error.code === "conat.disconnected";
        if (!(lost && options.idempotent === true && performance.now() < deadline)) throw error;
        // The connection that lost it may not know yet that it is gone (a relay behind it broke): do not spin.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Resolves once connected; rejects with the cause when it is not within so many milliseconds, or gave up. */
  async ready(timeoutMs: number): Promise<void> {
    await this.#connected(performance.now() + timeoutMs, "");
  }

  /** Dropped while there is no connection: a publication is news, not a promise. */
  publish(subject: string, data: unknown): void {
    checkSubject(subject);
    this.#peer?.publish(subject, data);
  }

  subscribe(pattern: string, callback: (subject: string, data: unknown) => void): () => void {
    checkSubject(pattern, "pattern");
    const entry: { pattern: string; callback: typeof callback; stop?: () => void } = { pattern, callback };
    this.#subscriptions.add(entry);
    if (this.#peer !== undefined) entry.stop = this.#peer.subscribe(pattern, callback);
    return () => {
      this.#subscriptions.delete(entry);
      entry.stop?.();
    };
  }

  async openStream(subject: string, params?: unknown, options: RequestOptions = {}): Promise<ConatStream> {
    const deadline = performance.now() + (options.timeout ?? REQUEST_TIMEOUT_MS);
    const peer = await this.#connected(deadline, subject);
    return await peer.openStream(subject, params, { timeout: Math.max(1, deadline - performance.now()) });
  }

  /**
   * The network may have changed (the browser's `online`, a tab that woke): connects at once when waiting, and
   * tests a connection that may be dead with a ping instead of waiting for the heartbeat.
   */
  poke(): void {
    if (this.#state.state === "waiting") {
      clearTimeout(this.#timer);
      void this.#attempt();
      return;
    }
    const peer = this.#peer;
    if (peer === undefined || this.#poking) return;
    this.#poking = true;
    peer
      .ping(5000)
      .catch((error: unknown) => peer.close(disconnected(messageOf(error))))
      .finally(() => {
        this.#poking = false;
      });
  }

  close(): void {
    if (this.#state.state === "closed") return;
    clearTimeout(this.#timer);
    const peer = this.#peer;
    this.#peer = undefined;
    this.#set({ state: "closed", attempt: 0 });
    peer?.close();
    for (const wake of [...this.#waiters]) wake();
  }

  #set(state: ClientState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  /** Read anew after each await: TypeScript would else hold on to what it saw before. */
  #isClosed(): boolean {
    return this.#state.state === "closed";
  }

  async #connected(deadline: number, subject: string): Promise<Peer> {
    while (this.#peer === undefined) {
      if (this.#isClosed()) throw disconnected(this.#state.problem?.why ?? "the client was closed");
      const left = deadline - performance.now();
      if (left <= 0) {
        const problem = this.#state.problem;
        throw problem === undefined
          ? timedOut(subject, 0)
          : new CodedError({ ...disconnected().details, why: problem.why ?? problem.title });
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#waiters.add(wake);
      });
    }
    return this.#peer;
  }

  async #attempt(): Promise<void> {
    this.#set({ ...this.#state, state: "connecting" });
    let transport: Transport;
    try {
      transport = await (this.#options.dial?.() ?? dialWebSocket(this.#options));
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#isClosed()) {
      transport.start({ frame() {}, closed() {} });
      transport.close();
      return;
    }
    const since = performance.now();
    const { heartbeat } = this.#options;
    const peer = new Peer(transport, heartbeat === undefined ? {} : { heartbeat });
    this.#peer = peer;
    peer.onClose((error) => {
      if (this.#peer !== peer) return;
      this.#peer = undefined;
      for (const entry of this.#subscriptions) delete entry.stop;
      const attempt = performance.now() - since >= STABLE_MS ? 0 : this.#state.attempt;
      this.#state = { ...this.#state, attempt };
      this.#failed(error);
    });
    this.#options.onPeer?.(peer);
    for (const entry of this.#subscriptions) entry.stop = peer.subscribe(entry.pattern, entry.callback);
    // The count stays until the connection proved stable: one that is refused right away must back off too.
    this.#set({ state: "connected", attempt: this.#state.attempt });
    for (const wake of [...this.#waiters]) wake();
  }

  #failed(error: unknown): void {
    if (this.#isClosed()) return;
    const problem = toProblem(error);
    if (error instanceof CodedError && this.#options.giveUp?.(error) === true) {
      this.#set({ state: "closed", attempt: this.#state.attempt + 1, problem });
      for (const wake of [...this.#waiters]) wake();
      return;
    }
    const attempt = this.#state.attempt + 1;
    const top = Math.min(
      this.#options.maxBackoff ?? MAX_BACKOFF_MS,
      FIRST_BACKOFF_MS * 2 ** Math.min(attempt - 1, 10),
    );
    // Half fixed, half random: after a hub's restart its hosts and browsers must not come all at once.
    const delay = top / 2 + Math.random() * (top / 2);
    this.#set({ state: "waiting", attempt, problem, retryAt: Date.now() + delay });
    this.#timer = setTimeout(() => void this.#attempt(), delay);
  }
}

async function dialWebSocket(options: ClientOptions): Promise<Transport> {
  const url = typeof options.url === "function" ? await options.url() : options.url;
  if (url === undefined) throw new Error("neither url nor dial was given");
  const headers = await options.headers?.();
  const socket =
    headers === undefined && options.tls === undefined
      ? new WebSocket(url)
      : // Bun's WebSocket takes options where the browser's takes subprotocols.
        new WebSocket(url, { headers, tls: options.tls } as unknown as string[]);
  const limit = options.connectTimeout ?? CONNECT_TIMEOUT_MS;
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(disconnected(`no connection within ${limit / 1000} s`));
      socket.close();
    }, limit);
    // Made now, so that no frame between `open` and the peer is lost.
    const transport = webSocketTransport(socket as unknown as WebSocketLike);
    socket.addEventListener("open", () => {
      clearTimeout(timer);
      resolve(transport);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(timer);
      reject(disconnected(`the socket closed with code ${code}${reason === "" ? "" : ` (${reason})`}`));
    });
  });
}
