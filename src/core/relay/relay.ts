/**
 * One HTTP/1.1 relay for both hops (hub → host, host → app). Requests go through node:http, which passes what
 * http-proxy-3 does not (hop-by-hop headers, trailers, an upstream that breaks off); upgrades go through http-proxy-3.
 * Nothing is injected, bodies stream both ways with back-pressure, an abort of either side reaches the other at once.
 *
 * @example
 * const relay = createRelay();
 * server.on("request", (req, res) => relay.request(req, res, { agent, host: "127.0.0.1", port, path, headers, back, failed }));
 */
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Duplex } from "node:stream";
import { createProxyServer } from "http-proxy-3";
import { CodedError, errnoOf, messageOf } from "../errors.ts";
import { endToEnd, pairs, type RawHeader, smuggles, toBag } from "./headers.ts";

export interface RelayTarget {
  /** Connections of it are kept and shared by all requests to this target. */
  agent: Agent;
  host: string;
  port: number;
  /** Path and query as the upstream is to see them, raw. */
  path: string;
  /** End-to-end headers going out; what it returns is sent. */
  headersOut(headers: RawHeader[]): RawHeader[];
  /** End-to-end headers coming back. */
  headersBack(headers: RawHeader[], status: number): RawHeader[];
}

/** Answers in the relay's place, while nothing was sent yet. */
export type Failed = (error: CodedError) => void;

/** How long an idle connection to an upstream is kept; below the 5 s after which many servers close theirs. */
const KEEP_ALIVE_MS = 4_000;
const MAX_SOCKETS = 1024;
/** Of a connection, not of an answer: apps may take their time. */
export const CONNECT_TIMEOUT_MS = 10_000;

export function createAgent(): Agent {
  return new Agent({
    keepAlive: true,
    keepAliveMsecs: 1_000,
    maxSockets: MAX_SOCKETS,
    timeout: 0,
    scheduling: "lifo",
  });
}

/** The cause in words, from what the socket said. */
function failure(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const refused = errnoOf(error) === "ECONNREFUSED";
  return new CodedError(
    {
      code: refused ? "proxy.refused" : "proxy.broken",
      title: refused ? "Nothing listens there" : "The connection broke before an answer came",
      why: messageOf(error),
      status: 502,
    },
    { cause: error },
  );
}

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers["content-length"];
  return req.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

export function relayRequest(
  req: IncomingMessage,
  res: ServerResponse,
  target: RelayTarget,
  failed: Failed,
): void {
  const incoming = pairs(req.rawHeaders);
  if (smuggles(incoming)) {
    failed(
      new CodedError({
        code: "proxy.ambiguous-length",
        title: "The request's length is ambiguous",
        status: 400,
      }),
    );
    return;
  }
  const outgoing = target.headersOut(endToEnd(incoming));
  const body = hasBody(req);
  // A body whose length is not told is sent in chunks, as it came.
  if (req.headers["transfer-encoding"] !== undefined) outgoing.push(["Transfer-Encoding", "chunked"]);
  let retried = false;
  let answered = false;

  const attempt = () => {
    const up = httpRequest({
      agent: target.agent,
      host: target.host,
      port: target.port,
      method: req.method ?? "GET",
      path: target.path,
      headers: toBag(outgoing),
      setHost: false,
    });
    const gone = () => up.destroy();
    res.once("close", gone);
    up.on("continue", () => res.writeContinue());
    up.on("response", (answer) => {
      answered = true;
      sendBack(answer, res, target);
    });
    up.on("error", (error) => {
      res.off("close", gone);
      if (res.destroyed || res.writableEnded) return;
      if (answered || res.headersSent) {
        res.destroy();
        return;
      }
      // A kept connection that the upstream closed just now: once more, if no byte of a body went out.
      if (!retried && !body && errnoOf(error) !== "ECONNREFUSED") {
        retried = true;
        attempt();
        return;
      }
      failed(failure(error));
    });
    if (!body) {
      up.end();
      return;
    }
    req.on("aborted", gone);
    req.on("end", () => {
      if (Object.keys(req.trailers).length > 0) up.addTrailers(req.trailers as Record<string, string>);
      up.end();
    });
    req.pipe(up, { end: false });
  };
  attempt();
}

function sendBack(answer: IncomingMessage, res: ServerResponse, target: RelayTarget): void {
  const status = answer.statusCode ?? 502;
  const headers = target.headersBack(endToEnd(pairs(answer.rawHeaders)), status);
  res.writeHead(status, answer.statusMessage ?? "", toBag(headers));
  answer.on("aborted", () => res.destroy());
  answer.on("error", () => res.destroy());
  answer.on("end", () => {
    if (Object.keys(answer.trailers).length > 0) res.addTrailers(answer.trailers as Record<string, string>);
    res.end();
  });
  answer.pipe(res, { end: false });
}

const upgrades = createProxyServer({ ws: true, connectTimeout: CONNECT_TIMEOUT_MS });
/** Its hooks are global events: each upgrade's own hooks are found by its request. */
const hooks = new WeakMap<IncomingMessage, (up: ClientRequest) => void>();
upgrades.on("proxyReqWs", (up, req) => hooks.get(req)?.(up));
upgrades.on("error", () => {
  // told to each upgrade's own callback
});

/** `failed` is called while the socket still waits for an answer; {@link refuseUpgrade} writes one. */
export function relayUpgrade(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
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
  // Lower case: http-proxy-3 looks for `upgrade` there.
  const headers: HeaderObject = { ...toBag(outgoing), connection: "Upgrade", upgrade };
  // http-proxy-3 reads both from the request.
  req.headers = headers;
  req.url = target.path;
  const rewriteBack = (answer: IncomingMessage, switching: boolean) => {
    const kept = target.headersBack(endToEnd(pairs(answer.rawHeaders)), answer.statusCode ?? 101);
    const back: HeaderObject = toBag(kept);
    answer.headers = switching
      ? { ...back, Connection: "Upgrade", Upgrade: upgrade }
      : { ...back, Connection: "close" };
  };
  hooks.set(req, (up) => {
    up.on("upgrade", (answer) => rewriteBack(answer, true));
    up.on("response", (answer) => rewriteBack(answer, false));
  });
  upgrades.ws(
    req,
    socket as never,
    head,
    {
      target: { protocol: "http:", host: target.host, port: target.port } as never,
      agent: target.agent,
      prependPath: false,
      toProxy: true,
    },
    (error) => failed(failure(error)),
  );
}

type HeaderObject = Record<string, string | string[] | undefined>;

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
