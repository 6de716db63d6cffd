/**
 * Writing a file as a whole: into a temporary file beside it, then a rename, so that a reader or a crash sees the
 * old content or the new. In place where a rename would break something: hard links, or a folder one may not write.
 */
import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, type FileHandle, open, realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { ConatStream } from "../conat/stream.ts";
import { projectStreams } from "../contract/project-services.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { fileError } from "./file-error.ts";
import { etagOf, fileInfo, notRegular } from "./files.ts";
import { resolvePath } from "./paths.ts";

async function statOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** A link is written through, not replaced; a broken one too, by making what it leads to. */
async function throughLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return path;
    throw error;
  }
}

function check(stats: BigIntStats | null, etag: string | null | undefined, path: string): void {
  if (stats?.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  if (stats !== null && !stats.isFile()) throw notRegular(path);
  if (etag === undefined) return;
  if (etag === null ? stats === null : stats !== null && etagOf(stats) === etag) return;
  throw new CodedError({
    code: "file.changed",
    title: `${basename(path)} was changed by somebody else`,
    why:
      stats === null
        ? "It was deleted."
        : etag === null
          ? "It exists already."
          : "Its content is no longer what you saw.",
    fix: "Load it anew, or save under another name.",
    status: 409,
  });
}

/** Takes a file's new content from a stream. */
export async function receiveFile(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params = projectStreams["files.write"].params.parse(raw);
  const asked = resolvePath(home, params.path);
  let temp: string | undefined;
  let file: FileHandle | undefined;
  try {
    const path = await throughLinks(asked);
    const before = await statOrNull(path);
    check(before, params.etag, asked);
    const mode = params.mode ?? (before === null ? 0o644 : Number(before.mode & 0o777n));
    if (before === null || before.nlink === 1n) {
      const candidate = `${dirname(path)}/.${basename(path).slice(0, 200)}.${randomBytes(6).toString("hex")}.tmp`;
      try {
        file = await open(candidate, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
        temp = candidate;
      } catch (error) {
        const denied = errnoOf(error) === "EACCES" || errnoOf(error) === "EPERM";
        if (!denied || before === null) throw error;
      }
    }
    file ??= await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK, mode);
    const size = await receive(stream, file);
    // Judged again at the last moment: between is as long as the upload took.
    const now = await statOrNull(path);
    check(now, params.etag, asked);
    if (temp === undefined) await file.truncate(size);
    else await file.chmod(mode);
    await file.sync();
    if (temp !== undefined) {
      await rename(temp, path);
      temp = undefined;
    }
    const after = await file.stat({ bigint: true });
    stream.sendMessage({ type: "written", file: fileInfo(basename(asked), after) });
    stream.end();
  } catch (error) {
    if (!stream.closed) throw fileError(error, asked);
  } finally {
    await file?.close();
    if (temp !== undefined) await unlink(temp).catch(() => {});
  }
}

/** Resolves with the number of bytes when the sender ended; rejects when the stream broke. */
async function receive(stream: ConatStream, file: FileHandle): Promise<number> {
  let at = 0;
  let chain: Promise<unknown> = Promise.resolve();
  return await new Promise((resolve, reject) => {
    stream.onClose((error) => {
      if (error !== undefined) reject(error);
    });
    stream.onData((bytes) => {
      const position = at;
      at += bytes.length;
      chain = chain.then(() => writeAll(file, bytes, position));
      chain.catch(reject);
      return chain.catch(() => {});
    });
    stream.onEnd(() => {
      chain.then(() => resolve(at), reject);
    });
    stream.accept();
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
