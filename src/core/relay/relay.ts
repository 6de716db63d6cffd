/**
 * One HTTP/1.1 relay for both hops (hub → host, host → app), on node:http, which passes what http-proxy-3 does not
 * (hop-by-hop headers, trailers, an upstream that breaks off). Nothing is injected, bodies stream both ways with
 * back-pressure, an abort of either side reaches the other at once. Upgrades: upgrade.ts.
 *
 * @example
 * server.on("request", (req, res) => relayRequest(req, res, target, (error) => res.writeHead(error.status).end()));
 */
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { CodedError, errnoOf } from "../errors.ts";
import { endToEnd, pairs, smuggles, toBag } from "./headers.ts";
import { type Failed, failure, type RelayTarget } from "./target.ts";

export type { RelayTarget } from "./target.ts";
export { refuseUpgrade, relayUpgrade } from "./upgrade.ts";

/** How long an idle connection to an upstream is kept; below the 5 s after which many servers close theirs. */
const KEEP_ALIVE_MS = 4_000;
const MAX_SOCKETS = 1024;
const STALE_TRIES = 4;
/** What may be asked again when a kept connection turns out to be closed (RFC 9110, 9.2.2): a POST may have happened. */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"]);

export function createAgent(): Agent {
  return new Agent({
    keepAlive: true,
    keepAliveMsecs: 1_000,
    maxSockets: MAX_SOCKETS,
    // Of idle connections alone: one that carries a request may be silent for as long as it likes.
    timeout: KEEP_ALIVE_MS,
    scheduling: "lifo",
  });
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
  let tries = 0;
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
    up.on("information", (info) => {
      if (info.statusCode === 103 && info.headers.link !== undefined)
        res.writeEarlyHints({ link: info.headers.link });
    });
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
      // A kept connection that the upstream closed just now: once more. The next one kept may be as dead.
      const stale = up.reusedSocket && errnoOf(error) !== "ECONNREFUSED";
      if (stale && tries++ < STALE_TRIES && !body && REPEATABLE.has(req.method ?? "GET")) {
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
