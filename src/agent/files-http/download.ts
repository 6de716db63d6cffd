/** One file, whole or in part, as it is on disk now. */
import { constants, type FileHandle, open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { previewType } from "../../contract/files-http.ts";
import { sysPath } from "../../contract/path-bytes.ts";
import { CodedError } from "../../core/errors.ts";
import { fileError } from "../file-error.ts";
import { etagOf, notRegular } from "../files.ts";
import { nameOf } from "../paths.ts";
import { attachment, writeOut } from "./answer.ts";
import { partOf } from "./range.ts";

const READ_BYTES = 256 * 1024;

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Two buffers take turns: one is filled while the other is on its way, and nothing is left to collect. */
async function sendBytes(file: FileHandle, res: ServerResponse, start: number, end: number): Promise<void> {
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)];
  let turn = 0;
  const read = async (at: number) => {
    const buffer = buffers[turn++ % 2] as Uint8Array;
    const { bytesRead } = await file.read(buffer, 0, Math.min(READ_BYTES, end - at), at);
    // A short piece may wait in the stream, which holds a full one only until `drain`: it gets bytes of its own.
    return bytesRead === READ_BYTES ? buffer : buffer.slice(0, bytesRead);
  };
  const ahead = (at: number) => {
    if (at >= end) return undefined;
    const reading = read(at);
    // Told when its turn comes, which may be much later.
    reading.catch(() => {});
    return reading;
  };
  let next = ahead(start);
  try {
    for (let at = start; next !== undefined; ) {
      const piece = await next;
      at += piece.length;
      if (piece.length === 0) {
        // It was cut meanwhile: an answer that ends early must not look whole.
        res.destroy();
        return;
      }
      const sent = writeOut(res, piece);
      next = ahead(at);
      await sent;
    }
    res.end();
  } finally {
    // Before its file is closed.
    await Promise.allSettled([next]);
  }
}

export async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  how: "download" | "preview",
): Promise<void> {
  const type = how === "preview" ? previewType(path) : "application/octet-stream";
  if (type === undefined) {
    throw new CodedError({
      code: "file.no-preview",
      title: `${nameOf(path)} is of no kind that is shown in place`,
      fix: "Download it.",
      status: 415,
    });
  }
  // O_NONBLOCK: opening a FIFO nobody writes to would hang for ever.
  const file = await open(sysPath(path), constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw fileError(error, path);
    },
  );
  try {
    const stats = await file.stat({ bigint: true });
    if (stats.isDirectory()) {
      throw new CodedError({
        code: "file.is-a-folder",
        title: `That is a folder: ${path.slice(0, 300)}`,
        fix: "Download it as an archive.",
        status: 409,
      });
    }
    if (!stats.isFile()) throw notRegular(path);
    const size = Number(stats.size);
    const etag = `"${etagOf(stats)}"`;
    const modified = new Date(Number(stats.mtimeMs)).toUTCString();
    const part = partOf(
      {
        range: one(req.headers.range),
        ifRange: one(req.headers["if-range"]),
        ifNoneMatch: one(req.headers["if-none-match"]),
      },
      { size, etag, modified },
    );
    const headers: Record<string, string> = {
      etag,
      "last-modified": modified,
      "accept-ranges": "bytes",
      // Kept by the browser alone, and asked about each time: the file may have changed, or the right to it.
      "cache-control": "private, no-cache",
    };
    if (part.status === 304) {
      res.writeHead(304, headers).end();
      return;
    }
    if (part.status === 416) {
      throw new CodedError({
        code: "file.no-such-range",
        title: "The file has no such part",
        why: `It has ${size} bytes.`,
        status: 416,
      });
    }
    res.writeHead(part.status, {
      ...headers,
      "content-type": type,
      "content-length": String(part.end - part.start),
      ...(how === "download" ? { "content-disposition": attachment(nameOf(path)) } : {}),
      ...(part.status === 206 ? { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` } : {}),
    });
    if (req.method === "HEAD") {
      res.end();
      return;
    }
    await sendBytes(file, res, part.start, part.end);
  } finally {
    await file.close();
  }
}
