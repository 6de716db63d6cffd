/** Between node:http, which carries the proxy and upgrades, and Hono, which speaks fetch. Bodies stream both ways. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { CLIENT_ADDRESS_HEADER } from "../accounts/auth.ts";

/** JSON bodies are small; files go elsewhere. */
const MAX_API_BODY_BYTES = 2 * 1024 * 1024;

export function webHeaders(req: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < req.rawHeaders.length; at += 2) {
    const name = req.rawHeaders[at] ?? "";
    // Ours alone to say.
    if (name.toLowerCase() === CLIENT_ADDRESS_HEADER) continue;
    headers.append(name, req.rawHeaders[at + 1] ?? "");
  }
  return headers;
}

export function toRequest(req: IncomingMessage, origin: string): Request {
  const method = req.method ?? "GET";
  const signal = new AbortController();
  req.once("aborted", () => signal.abort());
  const init: RequestInit & { duplex?: "half" } = { method, headers: webHeaders(req), signal: signal.signal };
  if (method !== "GET" && method !== "HEAD") {
    init.body = Readable.toWeb(req) as unknown as ReadableStream;
    init.duplex = "half";
  }
  return new Request(new URL(req.url ?? "/", origin), init);
}

export function isTooLarge(req: IncomingMessage): boolean {
  return Number(req.headers["content-length"] ?? 0) > MAX_API_BODY_BYTES;
}

export async function sendResponse(
  response: Response,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  res.writeHead(response.status, headers);
  if (response.body === null || req.method === "HEAD") {
    res.end();
    return;
  }
  const reader = response.body.getReader();
  const gone = () => void reader.cancel().catch(() => {});
  res.once("close", gone);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (res.destroyed) return;
    if (!res.write(value))
      await new Promise<void>((resolve) => res.once("drain", resolve).once("close", resolve));
  }
  res.off("close", gone);
  res.end();
}
