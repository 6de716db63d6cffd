/**
 * Files and folders as one stream, made while it is sent: nothing is stored, and memory does not grow with what is in
 * it. What cannot be read is named in the archive itself, because the answer's head is long gone by then.
 */
import { lstat, open, readdir, readlink } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { pathBytes, pathText, sysPath } from "../../contract/path-bytes.ts";
import { CodedError, errnoOf } from "../../core/errors.ts";
import { fileError } from "../file-error.ts";
import { folderOf, nameOf } from "../paths.ts";
import { spawn } from "../spawn.ts";
import { attachment, writeOut } from "./answer.ts";

const READ_BYTES = 256 * 1024;
const MAX_NAMED = 1000;
export const MISSING_NAME = "NOT-IN-THIS-ARCHIVE.txt";

/** The deepest folder that holds all of them. */
export function commonFolder(paths: readonly string[]): string {
  const [first = "/", ...rest] = paths.map((path) => folderOf(path));
  let folder = first;
  for (const other of rest)
    while (folder !== "/" && other !== folder && !other.startsWith(`${folder}/`)) folder = folderOf(folder);
  return folder;
}

const below = (folder: string, path: string) => path.slice(folder === "/" ? 1 : folder.length + 1);

interface ZipEntry {
  name: Uint8Array;
  mode: number;
  lastModified: Date;
  input?: AsyncIterable<Uint8Array> | Uint8Array;
}

/** client-zip takes the type from the mode's upper bits, as unzip does. */
const S_IFLNK = 0o120000;

async function* contentOf(path: string, missing: (path: string, error: unknown) => void) {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(sysPath(path), "r");
  } catch (error) {
    missing(path, error);
    return;
  }
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

export async function* entriesOf(folder: string, paths: readonly string[]): AsyncGenerator<ZipEntry> {
  const lost: string[] = [];
  const missing = (path: string, error: unknown) => {
    if (lost.length < MAX_NAMED) lost.push(`${below(folder, path)}: ${errnoOf(error) ?? "unreadable"}`);
  };
  async function* walk(path: string): AsyncGenerator<ZipEntry> {
    try {
      const stats = await lstat(sysPath(path));
      const common = { mode: stats.mode, lastModified: stats.mtime };
      const name = below(folder, path);
      if (stats.isDirectory()) {
        yield { ...common, name: pathBytes(`${name}/`) };
        const names = (await readdir(sysPath(path), { encoding: "buffer" })) as unknown as Buffer[];
        for (const child of names.map((one) => pathText(one)).sort())
          yield* walk(path === "/" ? `/${child}` : `${path}/${child}`);
      } else if (stats.isSymbolicLink()) {
        const target = (await readlink(sysPath(path), { encoding: "buffer" })) as unknown as Buffer;
        yield { ...common, mode: S_IFLNK | 0o777, name: pathBytes(name), input: new Uint8Array(target) };
      } else if (stats.isFile()) {
        yield { ...common, name: pathBytes(name), input: contentOf(path, missing) };
      }
      // Sockets, pipes and devices have no content that could be packed.
    } catch (error) {
      missing(path, error);
    }
  }
  for (const path of paths) yield* walk(path);
  if (lost.length > 0) {
    yield {
      name: pathBytes(MISSING_NAME),
      mode: 0o100644,
      lastModified: new Date(),
      input: new TextEncoder().encode(`These could not be read:\n${lost.join("\n")}\n`),
    };
  }
}

async function sendZip(res: ServerResponse, folder: string, paths: readonly string[]): Promise<void> {
  const { makeZip } = await import("client-zip");
  const stream = makeZip(entriesOf(folder, paths) as never, { buffersAreUTF8: undefined } as never);
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await writeOut(res, value);
    }
    res.end();
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** By tar itself: it knows hard links, sparse files, and names of any bytes (given on its input, not as arguments). */
async function sendTar(res: ServerResponse, folder: string, paths: readonly string[]): Promise<void> {
  const names = Buffer.concat(
    paths.flatMap((path) => [pathBytes(`./${below(folder, path)}`), Uint8Array.of(0)]),
  );
  const proc = spawn(["tar", "-cf", "-", "--null", "--verbatim-files-from", "-T", "-"], {
    cwd: folder,
    stdin: names,
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    for await (const bytes of proc.stdout) await writeOut(res, bytes);
    // 1: a file changed while it was read, which is nobody's fault. 2: something is missing.
    if ((await proc.exited) > 1) res.destroy();
    else res.end();
  } finally {
    proc.kill();
  }
}

export async function sendArchive(
  res: ServerResponse,
  paths: readonly string[],
  format: string,
  head: boolean,
): Promise<void> {
  if (paths.length === 0 || (format !== "zip" && format !== "tar")) {
    throw new CodedError({
      code: "archive.bad-request",
      title: "An archive is made of one path or more, as zip or tar",
      status: 400,
    });
  }
  for (const path of paths) {
    await lstat(sysPath(path)).catch((error: unknown) => {
      throw fileError(error, path);
    });
  }
  if (format === "tar" && Bun.which("tar") === null) {
    throw new CodedError({
      code: "archive.no-tar",
      title: "The project's image has no tar",
      fix: "Install it in the project, or ask for zip.",
      status: 501,
    });
  }
  const folder = commonFolder(paths);
  const only = paths.length === 1 ? paths[0] : folder;
  const name = nameOf(only ?? "") || "files";
  res.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-disposition": attachment(`${name}.${format}`),
    "cache-control": "no-store",
  });
  if (head) res.end();
  else if (format === "zip") await sendZip(res, folder, paths);
  else await sendTar(res, folder, paths);
}
