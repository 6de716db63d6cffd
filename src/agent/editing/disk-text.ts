/** A file on disk as the text of an editor; what cannot be one says why. */
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { sysPath } from "../../contract/path-bytes.ts";
import { MAX_EDIT_BYTES } from "../../contract/project-services.ts";
import { CodedError, errnoOf } from "../../core/errors.ts";
import { decodeText, type TextFormat } from "../../core/text-format.ts";
import { fileError } from "../file-error.ts";
import { etagOf, notRegular } from "../files.ts";
import { nameOf } from "../paths.ts";

export interface DiskText {
  text: string;
  format: TextFormat;
  etag: string;
  size: number;
}

/** A program that writes a file in several steps is waited for. */
const SETTLE_MS = 100;
const MAX_SETTLE_MS = 2_000;

/** What is there, once whoever writes there has finished; null for no file. `known`: what was there before. */
export async function settledAt(path: string, known: string | null): ReturnType<typeof etagAt> {
  let now = await etagAt(path);
  for (let waited = 0; waited < MAX_SETTLE_MS; waited += SETTLE_MS) {
    if ((now?.etag ?? null) === known) return now;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const next = await etagAt(path);
    // Emptied, or away for a moment: most often what comes before it is written.
    const filling = (next === null || next.size === 0) && waited < MAX_SETTLE_MS / 2;
    if (next?.etag === now?.etag && !filling) return next;
    now = next;
  }
  return now;
}

/** Null when there is no such file. */
async function etagAt(path: string): Promise<{ etag: string; size: number } | null> {
  try {
    const stats = await stat(sysPath(path), { bigint: true });
    return { etag: etagOf(stats), size: Number(stats.size) };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw fileError(error, path);
  }
}

export async function openToRead(path: string): Promise<FileHandle> {
  // O_NONBLOCK: opening a FIFO nobody writes to would hang for ever.
  return await open(sysPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Null when there is no such file. `file.binary`, `file.too-large` and the file system's own refusals. */
export async function readDisk(path: string): Promise<DiskText | null> {
  let file: FileHandle;
  try {
    file = await openToRead(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw fileError(error, path);
  }
  try {
    return await readOpen(file, path);
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file.close();
  }
}

export async function readOpen(file: FileHandle, path: string): Promise<DiskText> {
  const stats = await file.stat({ bigint: true });
  if (stats.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  if (!stats.isFile()) throw notRegular(path);
  if (stats.size > BigInt(MAX_EDIT_BYTES)) throw tooLarge(path, Number(stats.size));
  // A position of its own: the handle may be read again.
  const bytes = new Uint8Array(Number(stats.size));
  let size = 0;
  while (size < bytes.length) {
    const { bytesRead } = await file.read(bytes, size, bytes.length - size, size);
    if (bytesRead === 0) break;
    size += bytesRead;
  }
  const decoded = decodeText(bytes.subarray(0, size));
  if (decoded === undefined) {
    throw new CodedError({
      code: "file.binary",
      title: `${nameOf(path)} is no text`,
      why: "It holds bytes that are not UTF-8.",
      fix: "Download it instead.",
      status: 422,
    });
  }
  return { ...decoded, etag: etagOf(stats), size };
}

function tooLarge(path: string, size: number): CodedError {
  return new CodedError({
    code: "file.too-large",
    title: `${nameOf(path)} is too large to be edited here`,
    why: `It has ${size} bytes, more than ${MAX_EDIT_BYTES}.`,
    fix: "Download it, or work on it in a terminal.",
    status: 413,
  });
}
