/** A large file over node:http: ETag, one range, no buffering. */
import { createReadStream, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream";

export function serveFile(
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  type: string,
  etag: string,
): void {
  const { size } = statSync(path);
  const headers: Record<string, string> = {
    "content-type": type,
    etag: `"${etag}"`,
    "accept-ranges": "bytes",
  };
  if (req.headers["if-none-match"] === `"${etag}"`) {
    res.writeHead(304, headers).end();
    return;
  }
  const match = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? "");
  const start = match ? Number(match[1]) : 0;
  const end = match?.[2] ? Math.min(Number(match[2]), size - 1) : size - 1;
  if (match && (start >= size || end < start)) {
    res.writeHead(416, { "content-range": `bytes */${size}` }).end();
    return;
  }
  res.writeHead(match ? 206 : 200, {
    ...headers,
    "content-length": String(end - start + 1),
    ...(match ? { "content-range": `bytes ${start}-${end}/${size}` } : {}),
  });
  if (req.method === "HEAD") {
    res.end();
    return;
  }
  pipeline(createReadStream(path, { start, end }), res, () => {});
}
