/** Copies and moves into a folder: one file after the other, told as it goes, ended when nobody waits for it any more. */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  chmod,
  constants,
  copyFile,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
} from "node:fs/promises";
import type { ConatStream } from "../conat/stream.ts";
import type { OnExisting } from "../contract/files-http.ts";
import { pathText, sysPath } from "../contract/path-bytes.ts";
import { projectStreams } from "../contract/project-services.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { otherName } from "../core/other-name.ts";
import { existsAlready, fileError } from "./file-error.ts";
import { exists } from "./files.ts";
import { folderOf, joinPath, nameOf, resolvePath } from "./paths.ts";

const TELL_MS = 200;
const MAX_NAMES = 1000;

class Copier {
  files = 0;
  bytes = 0;
  readonly #stream: ConatStream;
  #told = 0;
  constructor(stream: ConatStream) {
    this.#stream = stream;
  }

  #check(): void {
    if (this.#stream.closed)
      throw new CodedError({ code: "file.copy-ended", title: "The copy was ended", status: 499 });
    if (Date.now() - this.#told < TELL_MS) return;
    this.#told = Date.now();
    this.#stream.sendMessage({ type: "progress", files: this.files, bytes: this.bytes });
  }

  /** To a name that is not there yet. */
  async copy(from: string, to: string): Promise<void> {
    this.#check();
    const stats = await lstat(sysPath(from));
    if (stats.isDirectory()) {
      await mkdir(sysPath(to), { mode: 0o700 });
      const names = (await readdir(sysPath(from) as string, { encoding: "buffer" })) as unknown as Buffer[];
      for (const name of names.map((one) => pathText(one)))
        await this.copy(joinPath(from, name), joinPath(to, name));
      // At last: a folder without the right to write could not be filled.
      await chmod(sysPath(to), stats.mode & 0o7777);
      await utimes(sysPath(to), stats.atimeMs / 1000, stats.mtimeMs / 1000);
      return;
    }
    if (stats.isSymbolicLink()) {
      const target = (await readlink(sysPath(from), { encoding: "buffer" })) as unknown as Buffer;
      await symlink(target, sysPath(to));
      await lutimes(sysPath(to), stats.atimeMs / 1000, stats.mtimeMs / 1000);
    } else if (stats.isFile()) await this.#file(from, to, stats);
    else {
      throw new CodedError({
        code: "file.not-regular",
        title: `${nameOf(from)} is no regular file`,
        why: "Pipes, sockets and devices have no content to copy.",
        status: 422,
      });
    }
    this.files += 1;
  }

  async #file(from: string, to: string, stats: Stats): Promise<void> {
    const beside = joinPath(folderOf(to), `.copying-${randomBytes(6).toString("hex")}.tmp`);
    try {
      // A clone where the file system can: instant, and it takes no room.
      await copyFile(sysPath(from), sysPath(beside), constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      await chmod(sysPath(beside), stats.mode & 0o7777);
      await utimes(sysPath(beside), stats.atimeMs / 1000, stats.mtimeMs / 1000);
      await rename(sysPath(beside), sysPath(to));
    } catch (error) {
      await unlink(sysPath(beside)).catch(() => {});
      throw error;
    }
    this.bytes += stats.size;
  }
}

/** The name it gets, and what must go away once the new one is whole. */
async function targetOf(wanted: string, existing: OnExisting): Promise<{ path: string; replaces: boolean }> {
  if (!(await exists(wanted))) return { path: wanted, replaces: false };
  if (existing === "replace") return { path: wanted, replaces: true };
  if (existing === "refuse") throw existsAlready(wanted);
  for (let number = 2; number <= MAX_NAMES; number++) {
    const path = otherName(wanted, number);
    if (!(await exists(path))) return { path, replaces: false };
  }
  throw existsAlready(wanted);
}

async function one(copier: Copier, from: string, folder: string, move: boolean, existing: OnExisting) {
  if (folder === from || folder.startsWith(`${from}/`)) {
    throw new CodedError({
      code: "file.into-itself",
      title: `${nameOf(from)} cannot go into itself`,
      status: 409,
    });
  }
  const wanted = joinPath(folder, nameOf(from));
  if (wanted === from) {
    if (move) return from;
    if (existing !== "keep-both") throw existsAlready(wanted);
  }
  const { path, replaces } = await targetOf(wanted, existing);
  if (move && !replaces) {
    try {
      await rename(sysPath(from), sysPath(path));
      copier.files += 1;
      return path;
    } catch (error) {
      if (errnoOf(error) !== "EXDEV") throw error;
    }
  }
  // Whole under another name first: what is to be replaced stays until then, and a half copy never has the real name.
  const beside = joinPath(folder, `.copying-${randomBytes(6).toString("hex")}.tmp`);
  const old = joinPath(folder, `.replaced-${randomBytes(6).toString("hex")}.tmp`);
  try {
    if (move) {
      await rename(sysPath(from), sysPath(beside)).catch(async (error: unknown) => {
        if (errnoOf(error) !== "EXDEV") throw error;
        await copier.copy(from, beside);
      });
    } else await copier.copy(from, beside);
    if (replaces) await rename(sysPath(path), sysPath(old));
    await rename(sysPath(beside), sysPath(path));
  } catch (error) {
    // A move that got as far as a rename goes back; only a copy may be thrown away.
    if (move && !(await exists(from))) await rename(sysPath(beside), sysPath(from)).catch(() => {});
    else await rm(sysPath(beside), { recursive: true, force: true });
    throw error;
  }
  await rm(sysPath(old), { recursive: true, force: true });
  if (move && (await exists(from))) await rm(sysPath(from), { recursive: true });
  return path;
}

/** `moving` does a move, which says where it led to: who else knows the file by its name goes along. */
export async function copyInto(
  stream: ConatStream,
  raw: unknown,
  home: string,
  moving: (from: string, move: () => Promise<string>) => Promise<string>,
): Promise<void> {
  const params = projectStreams["files.copy"].params.parse(raw);
  stream.onData(() => {});
  stream.onEnd(() => stream.end());
  stream.accept();
  const copier = new Copier(stream);
  const folder = resolvePath(home, params.to);
  const paths: string[] = [];
  for (const asked of params.from) {
    const from = resolvePath(home, asked);
    try {
      const { move = false, existing = "refuse" } = params;
      const go = () => one(copier, from, folder, move, existing);
      paths.push(move ? await moving(from, go) : await go());
    } catch (error) {
      if (stream.closed) return;
      throw fileError(error, from);
    }
  }
  if (stream.closed) return;
  stream.sendMessage({ type: "done", files: copier.files, bytes: copier.bytes, paths });
  stream.end();
}
