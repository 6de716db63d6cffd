/** An SSH channel joined to a stream of the agent, with backpressure both ways and memory that stays bounded. */
import type { ServerChannel } from "ssh2";
import type { ConatStream } from "../../conat/stream.ts";
import { isOpen, rawWrite } from "./ssh2.ts";

/** Taken from the client before the agent had credit for it. */
const AHEAD_BYTES = 512 * 1024;

/** Writes to a channel, in order over stdout and stderr. */
export class ChannelWriter {
  readonly #channel: ServerChannel;
  readonly #queue: { fd: 1 | 2; bytes: Uint8Array; done: () => void }[] = [];
  #current: (() => void) | undefined;
  #closed = false;

  constructor(channel: ServerChannel) {
    this.#channel = channel;
    channel.on("close", () => {
      this.#closed = true;
      this.#current?.();
      for (const { done } of this.#queue.splice(0)) done();
    });
  }

  /** Resolves when the client's window took it, or the channel is closed. */
  write(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
    if (this.#closed || bytes.length === 0) return Promise.resolve();
    return new Promise((done) => {
      this.#queue.push({ fd, bytes, done });
      this.#next();
    });
  }

  #next(): void {
    while (this.#current === undefined) {
      const item = this.#queue.shift();
      if (item === undefined) return;
      if (this.#closed || !isOpen(this.#channel)) {
        item.done();
        continue;
      }
      let over = false;
      const finish = () => {
        if (over) return;
        over = true;
        this.#current = undefined;
        item.done();
        if (!looping) this.#next();
      };
      let looping = true;
      this.#current = finish;
      rawWrite(this.#channel, item.fd, item.bytes, finish);
      looping = false;
    }
  }
}

/** A connection may still take what came before its client left. */
const CONNECTION_LINGER_MS = 30_000;

/**
 * What the client sends goes up the stream; its end is the stream's end. `lingerMs` after the channel was closed a
 * stream that lives on is broken: nobody is left to read what it brings.
 */
export function pumpUp(channel: ServerChannel, stream: ConatStream, lingerMs: number): void {
  channel.on("data", (bytes: Buffer) => {
    if (stream.closed) return;
    const sent = stream.write(bytes);
    if (stream.pending > AHEAD_BYTES) {
      channel.pause();
      // A stream that broke takes the rest as well: the channel must come to its own end.
      void sent.catch(() => {}).then(() => channel.resume());
    } else sent.catch(() => {});
  });
  channel.on("end", () => stream.end());
  channel.on("close", () => {
    channel.resume();
    if (stream.closed) return;
    const timer = setTimeout(() => stream.reset(new Error("the SSH channel was closed")), lingerMs);
    stream.onClose(() => clearTimeout(timer));
  });
  channel.on("error", () => {});
}

/** A connection: bytes both ways, half-close included. */
export function joinChannel(channel: ServerChannel, stream: ConatStream): void {
  const writer = new ChannelWriter(channel);
  pumpUp(channel, stream, CONNECTION_LINGER_MS);
  let last: Promise<void> = Promise.resolve();
  stream.onData((bytes) => {
    last = writer.write(1, bytes);
    return last;
  });
  stream.onEnd(() => {
    void last.then(() => channel.eof());
  });
  stream.onClose(() => {
    void last.then(() => channel.end());
  });
}
