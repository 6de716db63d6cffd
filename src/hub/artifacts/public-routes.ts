/**
 * What machines fetch: the installer, the release it installs, images, the CA; and POST /pair and /offer-key. Open to anybody, because
 * nothing in it is secret: a token proves itself, and images are for hosts that prove themselves.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname } from "node:path";
import { offerKeySchema, pairRequestSchema } from "../../contract/join-token.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { FixedWindow } from "../../core/fixed-window.ts";
import { problemResponse } from "../api/kit.ts";
import type { KeyOffers } from "../hosts/key-offers.ts";
import type { Pairing } from "../pairing/pairing.ts";
import { sendResponse } from "../server/adapter.ts";
import type { Tls } from "../tls/tls.ts";
import type { Images } from "./images.ts";
import { createRelease } from "./release.ts";
import { serveFile } from "./serve-file.ts";

const MAX_PAIR_BYTES = 64 * 1024;
/** A machine whose key is not known yet asks every five seconds; several may share an address. */
const OFFERS = { limit: 120, windowMs: 60_000 };

export interface PublicRouteDeps {
  pairing: Pairing;
  keyOffers: KeyOffers;
  images: Images;
  /** What people's browsers are shown. */
  tls(): Tls["people"] | undefined;
  version: string;
  guesses: FixedWindow;
  /** The host's id when its assertion holds, for images. */
  hostOf(req: IncomingMessage): Promise<string | undefined>;
}

async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += (chunk as Buffer).length;
    if (size > MAX_PAIR_BYTES)
      throw new CodedError({ code: "request.too-large", title: "Too large", status: 413 });
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export function createPublicRoutes(deps: PublicRouteDeps) {
  const release = createRelease(dirname(process.execPath), deps.version);
  function text(res: ServerResponse, body: string, type = "text/plain; charset=utf-8"): void {
    res.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
  }

  function json(res: ServerResponse, value: unknown): void {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(value));
  }
  const offers = new FixedWindow(OFFERS.limit, OFFERS.windowMs);

  async function serve(req: IncomingMessage, res: ServerResponse, path: string): Promise<boolean> {
    const from = (req.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    if (path === "/pair" && req.method === "POST") {
      deps.guesses.take(from);
      const request = pairRequestSchema.parse(JSON.parse(await readBody(req)));
      json(res, await deps.pairing.pair(request, "https", from));
      return true;
    }
    if (path === "/offer-key" && req.method === "POST") {
      offers.take(from);
      json(res, await deps.keyOffers.offer(offerKeySchema.parse(JSON.parse(await readBody(req))), from));
      return true;
    }
    if (req.method !== "GET" && req.method !== "HEAD") return false;
    if (path === "/install.sh") {
      text(res, release.script(deps.tls()?.pin ?? ""), "text/x-shellscript");
      return true;
    }
    if (path === "/ca.pem") {
      const caPem = deps.tls()?.caPem;
      if (caPem === undefined) {
        throw new CodedError({
          code: "tls.own-certificate",
          title: "This hub shows a certificate of its administrator's, not one of a CA of its own",
          fix: "Ask who made it for what to trust.",
          status: 404,
        });
      }
      text(res, caPem, "application/x-pem-file");
      return true;
    }
    const artifact = /^\/artifacts\/([A-Za-z0-9.-]{1,80})$/.exec(path)?.[1];
    if (artifact !== undefined) {
      const found = await release.file(artifact);
      if ("text" in found) text(res, found.text);
      else serveFile(req, res, found.path, "application/octet-stream", found.sha256);
      return true;
    }
    const image = /^\/images\/([0-9a-f]{64})\.tar\.zst$/.exec(path);
    if (image) {
      if ((await deps.hostOf(req)) === undefined) {
        throw new CodedError({
          code: "auth.required",
          title: "Images are for hosts of this hub",
          status: 401,
        });
      }
      const file = deps.images.archive(image[1] ?? "");
      if (!file)
        throw new CodedError({ code: "image.not-found", title: "There is no such image", status: 404 });
      serveFile(req, res, file, "application/zstd", image[1] ?? "");
      return true;
    }
    return false;
  }

  return {
    /** Whether a path is one of these: they need no session and no origin. */
    owns: (path: string) =>
      ["/pair", "/offer-key", "/install.sh", "/ca.pem"].includes(path) ||
      /^\/(artifacts|images)\//.test(path),
    async request(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
      try {
        if (await serve(req, res, path)) return;
        throw new CodedError({
          code: "route.not-found",
          title: `There is no ${req.method} ${path}`,
          status: 404,
        });
      } catch (error) {
        if (res.headersSent) res.destroy();
        else
          await sendResponse(
            problemResponse(error instanceof SyntaxError ? badJson(error) : error),
            req,
            res,
          );
      }
    },
  };
}
export type PublicRoutes = ReturnType<typeof createPublicRoutes>;

function badJson(error: SyntaxError): CodedError {
  return new CodedError({
    code: "request.not-json",
    title: "The request is not JSON",
    why: toProblem(error).title,
    status: 400,
  });
}
