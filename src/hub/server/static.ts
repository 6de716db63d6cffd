/** The UI's files, embedded in the binary. Hashed names are kept for ever, index.html is asked for each time. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { brotliCompressSync, constants } from "node:zlib";

export interface StaticUi {
  /** Serves a file, or index.html for a navigation to a view. false: nothing of the UI's. */
  serve(req: IncomingMessage, res: ServerResponse): Promise<boolean>;
}

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  json: "application/json",
  woff2: "font/woff2",
  woff: "font/woff",
  png: "image/png",
  ico: "image/x-icon",
  map: "application/json",
};
const COMPRESSIBLE = new Set(["html", "js", "css", "svg", "json", "map"]);

/** xterm injects style elements without a nonce: styles are open, scripts are not. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  // Previews of a project's files: sandboxed, each by its own answer.
  "frame-src 'self'",
  "media-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

const SECURITY = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

interface Entry {
  body: Uint8Array;
  brotli: Uint8Array | undefined;
  etag: string;
  type: string;
  /** Its name holds a hash of its content. */
  hashed: boolean;
}

/** `assets`: URL path → path of the (embedded) file. */
export function createStaticUi(assets: Record<string, string>): StaticUi {
  const entries = new Map<string, Promise<Entry>>();

  async function load(path: string, file: string): Promise<Entry> {
    const body = await Bun.file(file).bytes();
    const extension = path.split(".").pop() ?? "";
    const brotli = COMPRESSIBLE.has(extension)
      ? brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
      : undefined;
    return {
      body,
      brotli,
      etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`,
      type: TYPES[extension] ?? "application/octet-stream",
      hashed: /-[a-z0-9]{8,}\.[a-z0-9]+$/.test(path),
    };
  }
  function entry(path: string): Promise<Entry> | undefined {
    const file = assets[path];
    if (file === undefined) return undefined;
    let known = entries.get(path);
    if (!known) {
      known = load(path, file);
      entries.set(path, known);
    }
    return known;
  }

  return {
    async serve(req, res) {
      if (req.method !== "GET" && req.method !== "HEAD") return false;
      const path = (req.url ?? "/").split("?")[0] ?? "/";
      const isView = !/\.[a-z0-9]+$/i.test(path);
      const found = await (isView ? entry("/index.html") : entry(path));
      if (!found) return false;
      const compressed =
        found.brotli !== undefined && /\bbr\b/.test(String(req.headers["accept-encoding"] ?? ""));
      const headers: Record<string, string> = {
        ...SECURITY,
        "content-type": found.type,
        etag: found.etag,
        vary: "Accept-Encoding",
        "cache-control": found.hashed && !isView ? "public, max-age=31536000, immutable" : "no-cache",
        ...(isView ? { "content-security-policy": CONTENT_SECURITY_POLICY } : {}),
      };
      if (req.headers["if-none-match"] === found.etag) {
        res.writeHead(304, headers).end();
        return true;
      }
      const body = compressed && found.brotli ? found.brotli : found.body;
      res.writeHead(200, {
        ...headers,
        ...(compressed ? { "content-encoding": "br" } : {}),
        "content-length": String(body.length),
      });
      res.end(req.method === "HEAD" ? undefined : body);
      return true;
    },
  };
}
