/**
 * Writing a file as a whole: into a temporary file beside it, then a rename, so that a reader or a crash sees the
 * old content or the new. In place where a rename would break something: hard links, or a folder one may not write.
 */
import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, type FileHandle, open, realpath, rename, stat, unlink } from "node:fs/promises";
import type { ConatStream } from "../conat/stream.ts";
import { pathText, sysPath } from "../contract/path-bytes.ts";
import { type FileInfo, projectStreams } from "../contract/project-services.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { fileError } from "./file-error.ts";
import { etagOf, fileInfo, notRegular } from "./files.ts";
import { folderOf, joinPath, nameOf, resolvePath } from "./paths.ts";

async function statOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await stat(sysPath(path), { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** A link is written through, not replaced; a broken one too, by making what it leads to. */
export async function throughLinks(path: string): Promise<string> {
  try {
    return pathText((await realpath(sysPath(path), { encoding: "buffer" })) as unknown as Buffer);
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
    title: `${nameOf(path)} was changed by somebody else`,
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

/**
 * A file's new content, as a whole. `fill` writes it and returns how many bytes that were. `etag` is what the file must
 * still have (`file.changed` if not), now and, where it is replaced by a rename, at the last moment: between is as long as
 * filling takes.
 */
export async function replaceFile(
  asked: string,
  wanted: { etag?: string | null | undefined; mode?: number | undefined },
  fill: (file: FileHandle) => Promise<number>,
): Promise<FileInfo> {
  let temp: string | undefined;
  let file: FileHandle | undefined;
  try {
    const path = await throughLinks(asked);
    const before = await statOrNull(path);
    check(before, wanted.etag, asked);
    const mode = wanted.mode ?? (before === null ? 0o644 : Number(before.mode & 0o777n));
    if (before === null || before.nlink === 1n) {
      const candidate = joinPath(folderOf(path), `.saving-${randomBytes(6).toString("hex")}.tmp`);
      try {
        file = await open(
          sysPath(candidate),
          constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
          0o600,
        );
        temp = candidate;
      } catch (error) {
        const denied = errnoOf(error) === "EACCES" || errnoOf(error) === "EPERM";
        if (!denied || before === null) throw error;
      }
    }
    if (file !== undefined && temp !== undefined && before !== null && !(await giveTo(file, before))) {
      await file.close();
      await unlink(sysPath(temp));
      file = undefined;
      temp = undefined;
    }
    file ??= await open(sysPath(path), constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK, mode);
    const size = await fill(file);
    if (temp === undefined) await file.truncate(size);
    else {
      check(await statOrNull(path), wanted.etag, asked);
      await file.chmod(mode);
    }
    await file.sync();
    if (temp !== undefined) {
      await rename(sysPath(temp), sysPath(path));
      temp = undefined;
    }
    return fileInfo(nameOf(asked), await file.stat({ bigint: true }));
  } catch (error) {
    throw fileError(error, asked);
  } finally {
    await file?.close();
    if (temp !== undefined) await unlink(sysPath(temp)).catch(() => {});
  }
}

/** Whether the new file has the owner that the old one had: one who may not give it away writes in place. */
async function giveTo(file: FileHandle, before: BigIntStats): Promise<boolean> {
  const now = await file.stat({ bigint: true });
  if (now.uid === before.uid && now.gid === before.gid) return true;
  try {
    await file.chown(Number(before.uid), Number(before.gid));
    return true;
  } catch (error) {
    if (errnoOf(error) === "EPERM") return false;
    throw error;
  }
}

/** Takes a file's new content from a stream. */
export async function receiveFile(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params = projectStreams["files.write"].params.parse(raw);
  try {
    const file = await replaceFile(resolvePath(home, params.path), params, (to) => receive(stream, to));
    stream.sendMessage({ type: "written", file });
    stream.end();
  } catch (error) {
    if (!stream.closed) throw error;
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

export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
