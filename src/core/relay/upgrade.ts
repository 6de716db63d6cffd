/**
 * WebSocket upgrades: the handshake is relayed like a request, what follows is copied as bytes. http-proxy-3 did this
 * before; it answers a refused upgrade with two framings and now and then loses it (seen by test/conformance).
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { CodedError } from "../errors.ts";
import { endToEnd, pairs, type RawHeader, toBag } from "./headers.ts";
import { type Failed, failure, noAnswer, type RelayTarget } from "./target.ts";

function head(answer: IncomingMessage, status: number, headers: RawHeader[]): Buffer {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(`HTTP/1.1 ${status} ${answer.statusMessage ?? ""}\r\n${lines}\r\n`, "latin1");
}

/** Bun may tell of a close before it has handed over what came last: that gets a moment. */
const LAST_BYTES_MS = 50;

/** Copies both ways with back-pressure; the end of one side is the other's, and so is a break. */
function splice(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      if (from.errored) to.destroy();
      else if (!from.readableEnded) setTimeout(() => to.destroy(), LAST_BYTES_MS);
    });
  }
}

/** `failed` is called while the socket still waits for an answer; {@link refuseUpgrade} writes one. */
export function relayUpgrade(
  req: IncomingMessage,
  socket: Duplex,
  early: Buffer,
  target: RelayTarget,
  failed: Failed,
): void {
  const upgrade = req.headers.upgrade ?? "";
  if (upgrade.toLowerCase() !== "websocket" || req.method !== "GET") {
    failed(
      new CodedError({
        code: "proxy.no-websocket",
        title: "Only WebSocket upgrades are relayed",
        status: 400,
      }),
    );
    return;
  }
  const outgoing = target.headersOut(endToEnd(pairs(req.rawHeaders)));
  // A connection of its own, which no other request had or gets: an answer in place of an upgrade ends it, and Bun
  // would hand it on (seen: every second refused upgrade hung).
  const up = httpRequest({
    createConnection: (options, callback) =>
      target.agent.createConnection(options as never, callback as never) as never,
    host: target.host,
    port: target.port,
    path: target.path,
    headers: toBag([...outgoing, ["Connection", "Upgrade"], ["Upgrade", upgrade]]),
    setHost: false,
  });
  let answered = false;
  const gone = () => up.destroy();
  const late =
    target.answerMs === undefined
      ? undefined
      : setTimeout(() => {
          if (answered) return;
          answered = true;
          failed(noAnswer(target.answerMs ?? 0));
          up.destroy();
        }, target.answerMs);
  up.once("close", () => clearTimeout(late));
  socket.once("close", gone);
  socket.on("error", gone);

  up.on("upgrade", (answer, far, farEarly) => {
    if (answered) return;
    answered = true;
    clearTimeout(late);
    socket.off("close", gone);
    const back = target.headersBack(endToEnd(pairs(answer.rawHeaders)), 101);
    socket.write(head(answer, 101, [...back, ["Connection", "Upgrade"], ["Upgrade", upgrade]]));
    if (farEarly.length > 0) socket.write(farEarly);
    if (early.length > 0) far.write(early);
    for (const one of [socket, far]) {
      const tcp = one as Duplex & { setNoDelay?(on: boolean): void; setTimeout?(ms: number): void };
      tcp.setNoDelay?.(true);
      tcp.setTimeout?.(0);
    }
    splice(socket, far);
  });
  // It answers with something else, which is relayed as the last words of this connection.
  up.on("response", (answer) => {
    if (answered) return;
    answered = true;
    clearTimeout(late);
    const status = answer.statusCode ?? 502;
    const back = target.headersBack(endToEnd(pairs(answer.rawHeaders)), status);
    socket.write(head(answer, status, [...back, ["Connection", "close"]]));
    answer.on("aborted", () => socket.destroy());
    answer.on("error", () => socket.destroy());
    answer.pipe(socket);
  });
  up.on("error", (error) => {
    if (answered) return;
    socket.off("close", gone);
    if (!socket.destroyed) failed(failure(error));
  });
  up.end();
}

/** A short answer in place of an upgrade, and the end of the connection. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  if (socket.destroyed || !socket.writable) return;
  const body = Buffer.from(text);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${text}`,
  );
}
