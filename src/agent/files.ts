/**
 * Files as the project sees them, with its own rights. A FIFO or a device is never opened for reading or writing:
 * it would block the agent, or worse; a directory of a million names is read once and answered in pages.
 */
import type { BigIntStats } from "node:fs";
import { constants, lstat, mkdir, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import { basename } from "node:path";
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import { type FileInfo, MAX_LIST_ENTRIES, projectStreams } from "../contract/project-services.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { fileError } from "./file-error.ts";
import { resolvePath } from "./paths.ts";

type FileType = FileInfo["type"];
const READ_BYTES = 32 * 1024;
/** lstat calls in flight while a page is made. */
const PARALLEL = 32;

export function typeOf(stats: BigIntStats): FileType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  if (stats.isSocket()) return "socket";
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return "device";
  return "unknown";
}

/** Inode, size and time in nanoseconds: an editor that writes by rename and one that writes in place both show. */
export function etagOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.size.toString(36)}-${stats.mtimeNs.toString(36)}`;
}

export function fileInfo(name: string, stats: BigIntStats, target: FileType | null = null): FileInfo {
  return {
    name,
    type: typeOf(stats),
    target_type: target,
    size: Number(stats.size),
    mtime: Number(stats.mtimeNs / 1_000_000n),
    mode: Number(stats.mode & 0o7777n),
    etag: etagOf(stats),
  };
}

/** An entry itself; of a symlink also what it leads to. */
export async function statEntry(path: string, name = basename(path)): Promise<FileInfo> {
  const stats = await lstat(path, { bigint: true });
  if (!stats.isSymbolicLink()) return fileInfo(name, stats);
  try {
    return fileInfo(name, stats, typeOf(await stat(path, { bigint: true })));
  } catch {
    // Broken, circular or out of reach: shown as a link that leads nowhere.
    return fileInfo(name, stats, null);
  }
}

export async function listFolder(
  home: string,
  request: { path: string; offset?: number | undefined; limit?: number | undefined },
): Promise<{ path: string; home: string; entries: FileInfo[]; total: number }> {
  const path = resolvePath(home, request.path);
  try {
    const names = (await readdir(path)).sort();
    const offset = request.offset ?? 0;
    const page = names.slice(offset, offset + (request.limit ?? MAX_LIST_ENTRIES));
    const entries: FileInfo[] = [];
    for (let at = 0; at < page.length; at += PARALLEL) {
      const found = await Promise.all(
        page.slice(at, at + PARALLEL).map(async (name) => {
          try {
            return await statEntry(`${path}/${name}`, name);
          } catch (error) {
            // Deleted meanwhile, or a name that is no UTF-8 and comes back changed.
            if (errnoOf(error) === "ENOENT") return undefined;
            throw error;
          }
        }),
      );
      for (const entry of found) if (entry !== undefined) entries.push(entry);
    }
    return { path, home, entries, total: names.length };
  } catch (error) {
    throw fileError(error, path);
  }
}

export async function makeFolder(home: string, request: { path: string; parents?: boolean | undefined }) {
  const path = resolvePath(home, request.path);
  try {
    await mkdir(path, { recursive: request.parents ?? false });
  } catch (error) {
    throw fileError(error, path);
  }
}

export async function renameEntry(
  home: string,
  request: { from: string; to: string; overwrite?: boolean | undefined },
) {
  const from = resolvePath(home, request.from);
  const to = resolvePath(home, request.to);
  try {
    if (request.overwrite !== true && from !== to && (await exists(to))) {
      throw new CodedError({
        code: "file.exists",
        title: `There is something of that name already: ${to.slice(0, 300)}`,
        status: 409,
      });
    }
    await rename(from, to);
  } catch (error) {
    throw fileError(error, errnoOf(error) === "ENOENT" ? from : to);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

export async function removeEntry(home: string, request: { path: string; recursive?: boolean | undefined }) {
  const path = resolvePath(home, request.path);
  if (path === "/" || path === resolvePath(home, ".")) {
    throw new CodedError({ code: "file.is-home", title: "The home folder itself stays", status: 403 });
  }
  try {
    const stats = await lstat(path);
    if (!stats.isDirectory()) await unlink(path);
    else if (request.recursive === true) await rm(path, { recursive: true });
    else await (await import("node:fs/promises")).rmdir(path);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Sends a regular file: its description, then its bytes. */
export async function sendFile(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params: z.output<(typeof projectStreams)["files.read"]["params"]> =
    projectStreams["files.read"].params.parse(raw);
  const path = resolvePath(home, params.path);
  try {
    // O_NONBLOCK: opening a FIFO nobody writes to would hang for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat({ bigint: true });
      if (stats.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
      if (!stats.isFile()) throw notRegular(path);
      if (params.limit !== undefined && stats.size > BigInt(params.limit)) {
        throw new CodedError({
          code: "file.too-large",
          title: `${basename(path)} is too large to open here`,
          why: `It has ${stats.size} bytes, more than ${params.limit}.`,
          fix: "Download it, or look at it in a terminal.",
          status: 413,
        });
      }
      stream.onData(() => {});
      stream.sendMessage({ type: "file", file: fileInfo(basename(path), stats) });
      let at = params.offset ?? 0;
      let left = params.length ?? Number.POSITIVE_INFINITY;
      while (left > 0) {
        const { bytesRead, buffer } = await file.read(
          new Uint8Array(READ_BYTES),
          0,
          Math.min(READ_BYTES, left),
          at,
        );
        if (bytesRead === 0) break;
        await stream.write(buffer.subarray(0, bytesRead));
        at += bytesRead;
        left -= bytesRead;
      }
      stream.end();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!stream.closed) throw fileError(error, path);
  }
}

export function notRegular(path: string): CodedError {
  return new CodedError({
    code: "file.not-regular",
    title: `${basename(path)} is no regular file`,
    why: "Pipes, sockets and devices have no content to read or write here.",
    status: 422,
  });
}
