/**
 * Files as the project sees them, with its own rights. A FIFO or a device is never opened for reading or writing:
 * it would block the agent, or worse. Lists of folders: files-list.ts.
 */
import type { BigIntStats } from "node:fs";
import { constants, lstat, mkdir, open, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import { sysPath } from "../contract/path-bytes.ts";
import { type FileInfo, projectStreams } from "../contract/project-services.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { existsAlready, fileError } from "./file-error.ts";
import { nameOf, resolvePath } from "./paths.ts";

type FileType = FileInfo["type"];
const READ_BYTES = 32 * 1024;

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
export async function statEntry(path: string, name = nameOf(path)): Promise<FileInfo> {
  const stats = await lstat(sysPath(path), { bigint: true });
  if (!stats.isSymbolicLink()) return fileInfo(name, stats);
  try {
    return fileInfo(name, stats, typeOf(await stat(sysPath(path), { bigint: true })));
  } catch {
    // Broken, circular or out of reach: shown as a link that leads nowhere.
    return fileInfo(name, stats, null);
  }
}

export async function makeFolder(home: string, request: { path: string; parents?: boolean | undefined }) {
  const path = resolvePath(home, request.path);
  try {
    await mkdir(sysPath(path), { recursive: request.parents ?? false });
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Returns where it is now, absolute. */
export async function renameEntry(
  home: string,
  request: { from: string; to: string; overwrite?: boolean | undefined },
): Promise<string> {
  const from = resolvePath(home, request.from);
  const to = resolvePath(home, request.to);
  try {
    if (request.overwrite !== true && from !== to && (await exists(to))) {
      throw existsAlready(to);
    }
    await rename(sysPath(from), sysPath(to));
    return to;
  } catch (error) {
    throw fileError(error, errnoOf(error) === "ENOENT" ? from : to);
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(sysPath(path));
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
    const stats = await lstat(sysPath(path));
    if (!stats.isDirectory()) await unlink(sysPath(path));
    else if (request.recursive === true) await rm(sysPath(path), { recursive: true });
    else await rmdir(sysPath(path));
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
    const file = await open(sysPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat({ bigint: true });
      if (stats.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
      if (!stats.isFile()) throw notRegular(path);
      if (params.limit !== undefined && stats.size > BigInt(params.limit)) {
        throw new CodedError({
          code: "file.too-large",
          title: `${nameOf(path)} is too large to open here`,
          why: `It has ${stats.size} bytes, more than ${params.limit}.`,
          fix: "Download it, or look at it in a terminal.",
          status: 413,
        });
      }
      stream.onData(() => {});
      stream.sendMessage({ type: "file", file: fileInfo(nameOf(path), stats) });
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
    title: `${nameOf(path)} is no regular file`,
    why: "Pipes, sockets and devices have no content to read or write here.",
    status: 422,
  });
}
