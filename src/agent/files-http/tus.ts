/** The tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload) over an {@link UploadStore}. */

import { lstat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  ON_EXISTING,
  type OnExisting,
  ROOM_HEADER,
  TUS_CHECKSUMS,
  TUS_EXTENSIONS,
  TUS_VERSION,
  UPLOAD_CONTENT_TYPE,
  UPLOAD_EXPIRES_MS,
  UPLOAD_PATH_HEADER,
} from "../../contract/files-http.ts";
import { encodePath, fromBase64, pathText, sysPath } from "../../contract/path-bytes.ts";
import { CodedError, errnoOf } from "../../core/errors.ts";
import { existsAlready, fileError } from "../file-error.ts";
import { resolvePath } from "../paths.ts";
import type { Checksum, Upload, UploadStore } from "./upload-store.ts";

const VERSION = { "tus-resumable": TUS_VERSION } as const;

function bad(why: string, status = 400): CodedError {
  return new CodedError({
    code: "upload.bad-request",
    title: "The upload's request is not valid",
    why,
    status,
  });
}

function numberOf(value: string | string[] | undefined, name: string): number {
  if (typeof value !== "string" || !/^\d{1,15}$/.test(value)) throw bad(`${name} must be a number of bytes`);
  return Number(value);
}

/** `path cGF0aA==,exists cmVmdXNl` */
export function parseMetadata(header: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const pair of header.split(",")) {
    const [key = "", value = "", ...rest] = pair.trim().split(" ");
    const bytes = fromBase64(value);
    if (key === "" || bytes === undefined || rest.length > 0) throw bad("Upload-Metadata is malformed");
    found.set(key, bytes);
  }
  return found;
}

export function parseChecksum(header: string | string[] | undefined): Checksum | undefined {
  if (header === undefined) return undefined;
  const [algorithm, digest = "", ...rest] = String(header).split(" ");
  const known = TUS_CHECKSUMS.find((one) => one === algorithm);
  const bytes = fromBase64(digest);
  if (known === undefined || bytes === undefined || rest.length > 0)
    throw bad(`Upload-Checksum must be one of ${TUS_CHECKSUMS.join(", ")}, and base64`);
  return { algorithm: known, digest: Buffer.from(bytes) };
}

async function wantedOf(req: IncomingMessage, home: string) {
  const length = numberOf(req.headers["upload-length"], "Upload-Length");
  const header = req.headers["upload-metadata"];
  const metadata = parseMetadata(typeof header === "string" ? header : "");
  const text = (key: string) => {
    const bytes = metadata.get(key);
    return bytes === undefined ? undefined : pathText(bytes);
  };
  const asked = text("path") ?? "";
  if (asked === "" || asked.endsWith("/") || asked.includes("\0") || asked.length > 4096)
    throw bad("its metadata must have a path, with a file's name at its end");
  const existing = (text("exists") ?? "refuse") as OnExisting;
  if (!ON_EXISTING.includes(existing)) throw bad(`exists must be one of ${ON_EXISTING.join(", ")}`);
  const modified = text("modified");
  if (modified !== undefined && !/^\d{1,15}$/.test(modified)) throw bad("modified must be milliseconds");
  const path = resolvePath(home, asked);
  return { path, length, existing, modified: modified === undefined ? null : Number(modified) };
}

/** Said before the first byte is sent, not after the last. */
async function refuseTaken(path: string, existing: OnExisting): Promise<void> {
  try {
    const stats = await lstat(sysPath(path));
    if (existing === "refuse") throw existsAlready(path);
    if (existing === "replace" && stats.isDirectory())
      throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  } catch (error) {
    // A part of the way may yet have to be made.
    if (errnoOf(error) !== "ENOENT") throw fileError(error, path);
  }
}

function state(upload: Upload): Record<string, string> {
  return {
    ...VERSION,
    "upload-offset": String(upload.offset),
    "upload-expires": new Date(upload.touched_at + UPLOAD_EXPIRES_MS).toUTCString(),
    ...(upload.placed === undefined ? {} : { [UPLOAD_PATH_HEADER]: encodePath(upload.placed) }),
  };
}

/** `prefix`: what a browser's URL has before `/uploads`, for `Location`. */
export async function serveUploads(
  req: IncomingMessage,
  res: ServerResponse,
  where: { store: UploadStore; home: string; prefix: string; id: string | undefined },
): Promise<void> {
  const { store, id } = where;
  if (req.method === "OPTIONS") {
    res.writeHead(204, {
      ...VERSION,
      "tus-version": TUS_VERSION,
      "tus-extension": TUS_EXTENSIONS,
      "tus-checksum-algorithm": TUS_CHECKSUMS.join(","),
    });
    res.end();
    return;
  }
  if (req.headers["tus-resumable"] !== TUS_VERSION) throw bad(`Tus-Resumable must be ${TUS_VERSION}`, 412);
  const receive = async (upload: Upload) => {
    if (req.headers["content-type"] !== UPLOAD_CONTENT_TYPE)
      throw bad(`Content-Type must be ${UPLOAD_CONTENT_TYPE}`, 415);
    const checksum = parseChecksum(req.headers["upload-checksum"]);
    await store.append(upload, req as AsyncIterable<Uint8Array>, checksum);
  };
  const stop = () => req.destroy();

  if (req.method === "POST" && id === undefined) {
    const wanted = await wantedOf(req, where.home);
    await refuseTaken(wanted.path, wanted.existing);
    const room = req.headers[ROOM_HEADER];
    const upload = await store.create(wanted, room === undefined ? undefined : numberOf(room, ROOM_HEADER));
    const location = `${where.prefix}/uploads/${upload.upload_id}`;
    await store.alone(upload.upload_id, stop, async () => {
      const hasBody = req.headers["content-type"] !== undefined;
      if (hasBody)
        await receive(upload).catch((error: unknown) => {
          // Nobody knows of it yet, so nobody would go on with it.
          void store.remove(upload.upload_id);
          throw error;
        });
      await store.finish(upload);
    });
    res.writeHead(201, { ...state(upload), location }).end();
    return;
  }
  if (id === undefined) throw bad("there is nothing of that kind", 405);
  const upload = await store.get(id);
  await store.alone(id, stop, async () => {
    switch (req.method) {
      case "HEAD":
        // Whole, but not in its place: the agent ended between the two, or the place was taken. A client that is told of
        // all its bytes believes that it is done, so it is told of the failure instead.
        await store.finish(upload);
        res.writeHead(200, {
          ...state(upload),
          "upload-length": String(upload.length),
          "cache-control": "no-store",
        });
        res.end();
        return;
      case "PATCH": {
        const offset = numberOf(req.headers["upload-offset"], "Upload-Offset");
        if (offset !== upload.offset) {
          throw new CodedError({
            code: "upload.other-offset",
            title: "The upload goes on elsewhere",
            why: `It has ${upload.offset} bytes, and these would begin at ${offset}.`,
            status: 409,
          });
        }
        if (upload.placed === undefined) {
          await receive(upload);
          await store.finish(upload);
        }
        res.writeHead(204, state(upload)).end();
        return;
      }
      case "DELETE":
        await store.remove(id);
        res.writeHead(204, VERSION).end();
        return;
      default:
        throw bad("there is nothing of that kind", 405);
    }
  });
}
