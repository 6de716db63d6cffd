/**
 * What machines fetch: the join script, the host's binary, images, the CA; and POST /pair. Open to anybody, because
 * nothing in it is secret: a token proves itself, and images are for hosts that prove themselves.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pairRequestSchema } from "../../contract/join-token.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { problemResponse } from "../api/kit.ts";
import type { FixedWindow } from "../api/rate-limit.ts";
import joinScript from "../pairing/join.sh" with { type: "text" };
import type { Pairing } from "../pairing/pairing.ts";
import { sendResponse } from "../server/adapter.ts";
import type { Images } from "./images.ts";
import { serveFile } from "./serve-file.ts";

const MAX_PAIR_BYTES = 64 * 1024;
const HOST_BINARY = "cocalc-project-host";

export interface PublicRouteDeps {
  pairing: Pairing;
  images: Images;
  caPem: string;
  tlsPin: string;
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

/** The binary beside ours; its hash is made once, and again when the file changed. */
function binaryOf(arch: string): string | undefined {
  const dir = dirname(process.execPath);
  const own = process.arch === arch ? join(dir, HOST_BINARY) : join(dir, `${HOST_BINARY}-linux-${arch}`);
  return existsSync(own) ? own : undefined;
}
const hashes = new Map<string, Promise<string>>();
function sha256(path: string): Promise<string> {
  const key = `${path} ${Bun.file(path).lastModified}`;
  let known = hashes.get(key);
  if (!known) {
    known = (async () => {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
      return hash.digest("hex");
    })();
    hashes.set(key, known);
  }
  return known;
}

export function createPublicRoutes(deps: PublicRouteDeps) {
  function text(res: ServerResponse, body: string, type = "text/plain; charset=utf-8"): void {
    res.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
  }

  async function serve(req: IncomingMessage, res: ServerResponse, path: string): Promise<boolean> {
    if (path === "/pair" && req.method === "POST") {
      deps.guesses.take(req.socket.remoteAddress ?? "");
      const request = pairRequestSchema.parse(JSON.parse(await readBody(req)));
      res.setHeader("content-type", "application/json");
      res.end(JSON.stringify(await deps.pairing.pair(request, "https")));
      return true;
    }
    if (req.method !== "GET" && req.method !== "HEAD") return false;
    if (path === "/join.sh") {
      text(
        res,
        joinScript.replaceAll("@PIN@", deps.tlsPin).replaceAll("@VERSION@", deps.version),
        "text/x-shellscript",
      );
      return true;
    }
    if (path === "/ca.pem") {
      text(res, deps.caPem, "application/x-pem-file");
      return true;
    }
    const binary = /^\/artifacts\/(x64|arm64)\/cocalc-project-host(\.sha256)?$/.exec(path);
    if (binary) {
      const file = binaryOf(binary[1] ?? "");
      if (!file) {
        throw new CodedError({
          code: "artifact.missing",
          title: `This hub has no program for ${binary[1]} machines`,
          fix: `Put cocalc-project-host-linux-${binary[1]} beside the hub's own program.`,
          status: 404,
        });
      }
      const hash = await sha256(file);
      if (binary[2]) text(res, `${hash}\n`);
      else serveFile(req, res, file, "application/octet-stream", hash);
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
      path === "/pair" || path === "/join.sh" || path === "/ca.pem" || /^\/(artifacts|images)\//.test(path),
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
