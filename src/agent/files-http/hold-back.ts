import type { IncomingMessage } from "node:http";

/**
 * A body's bytes wait in the socket while nobody takes them. On a connection that was handed over, Bun's server (1.4.5)
 * ignores what `push` answers: a body sent faster than the disk takes it would pile up in memory, all of it. Reading on
 * wakes the socket, by the `_read` that the server gave the request; after the body's end nobody does, so that is done
 * here, for the next request.
 */
export function holdBack(req: IncomingMessage): void {
  // An answer that comes before the body's end takes it from the request.
  const { socket } = req;
  const push = req.push.bind(req);
  let held = false;
  req.push = (chunk: unknown, encoding?: BufferEncoding) => {
    const more = push(chunk, encoding);
    if (chunk === null) {
      if (held) socket.resume();
    } else if (!more) {
      held = true;
      socket.pause();
    }
    return more;
  };
}
