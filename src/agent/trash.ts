/**
 * The trash of the freedesktop.org specification 1.0 (https://specifications.freedesktop.org/trash-spec/1.0/), the one in
 * the home: what a desktop's programs put there shows here, and the other way round.
 */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, readFile, rename, rm, unlink } from "node:fs/promises";
import { decodePath, encodePath, pathText, sysPath } from "../contract/path-bytes.ts";
import { MAX_TRASH_LIST, type Trashed } from "../contract/project-services/files.ts";
import { CodedError, errnoOf, toProblem } from "../core/errors.ts";
import { otherName } from "../core/other-name.ts";
import { existsAlready, fileError } from "./file-error.ts";
import { folderOf, joinPath, nameOf, resolvePath } from "./paths.ts";

const INFO = ".trashinfo";
const MAX_INFO_BYTES = 16 * 1024;
const MAX_TRIES = 1000;

/** `expunged` is not in the specification, but GNOME keeps there too what is being removed for good. */
function trashOf(home: string) {
  const root = `${home}/.local/share/Trash`;
  return { root, files: `${root}/files`, info: `${root}/info`, expunged: `${root}/expunged` };
}

const localTime = (time: Date) =>
  new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);

async function lstatOrNull(path: string) {
  try {
    return await lstat(sysPath(path));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** The name under which a path waits in the trash: the info file, made first and alone, takes it. */
async function takeName(info: string, path: string): Promise<string> {
  // Room for a number and the ending, within 255 bytes whatever the letters.
  const name = nameOf(path).slice(0, 60);
  const text = `[Trash Info]\nPath=${encodePath(path)}\nDeletionDate=${localTime(new Date())}\n`;
  for (let number = 1; number <= MAX_TRIES; number++) {
    const id = number === 1 ? name : nameOf(otherName(`/${name}`, number));
    try {
      const file = await open(sysPath(`${info}/${id}${INFO}`), "wx", 0o600);
      await file.writeFile(text);
      await file.close();
      return id;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
  }
  return await takeName(info, `${path}-${randomBytes(4).toString("hex")}`);
}

async function trashOne(home: string, path: string): Promise<string> {
  const { files, info, root } = trashOf(home);
  if (path === "/" || home === path || home.startsWith(`${path}/`)) {
    throw new CodedError({ code: "file.is-home", title: "The home folder itself stays", status: 403 });
  }
  if (root === path || root.startsWith(`${path}/`) || path.startsWith(`${root}/`)) {
    throw new CodedError({
      code: "trash.is-trash",
      title: "The trash does not go into the trash",
      fix: "Empty it, or delete for good.",
      status: 409,
    });
  }
  // Asked first: a name is not taken for what is not there.
  await lstat(sysPath(path));
  const id = await takeName(info, path);
  try {
    await rename(sysPath(path), sysPath(`${files}/${id}`));
  } catch (error) {
    await unlink(sysPath(`${info}/${id}${INFO}`)).catch(() => {});
    if (errnoOf(error) !== "EXDEV") throw error;
    throw new CodedError({
      code: "trash.other-disk",
      title: `${nameOf(path)} is on another file system than the trash`,
      why: "It would have to be copied there. Nothing was removed.",
      fix: "Delete it for good, or move it into the home first.",
      status: 409,
    });
  }
  return id;
}

export async function trashPaths(home: string, paths: readonly string[]) {
  const { files, info } = trashOf(home);
  const trashed: { trash_id: string; path: string }[] = [];
  const failed: { path: string; code: string; title: string }[] = [];
  await mkdir(files, { recursive: true, mode: 0o700 });
  await mkdir(info, { recursive: true, mode: 0o700 });
  for (const asked of paths) {
    const path = resolvePath(home, asked);
    try {
      trashed.push({ trash_id: await trashOne(home, path), path });
    } catch (error) {
      const { code, title } = toProblem(fileError(error, path));
      failed.push({ path, code, title });
    }
  }
  return { trashed, failed };
}

/** An id is a name within the trash and nothing else. */
function checkId(id: string): string {
  if (id !== "" && id !== "." && id !== ".." && !id.includes("/")) return id;
  throw new CodedError({ code: "trash.bad-id", title: "That is nothing in the trash", status: 400 });
}

async function infoOf(home: string, id: string): Promise<{ path: string; deleted_at: number }> {
  const { info } = trashOf(home);
  const text = (await readFile(sysPath(`${info}/${id}${INFO}`))).subarray(0, MAX_INFO_BYTES).toString();
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  const path = decodePath(value("Path").replaceAll("+", "%2B"));
  const deleted_at = new Date(value("DeletionDate")).getTime();
  if (!path?.startsWith("/")) {
    throw new CodedError({
      code: "trash.no-place",
      title: `The trash does not say where ${id} was`,
      fix: "It is in ~/.local/share/Trash/files.",
      status: 422,
    });
  }
  return { path, deleted_at: Number.isFinite(deleted_at) ? deleted_at : 0 };
}

async function idsIn(home: string): Promise<string[]> {
  try {
    const names = await readdir(trashOf(home).files, { encoding: "buffer" } as never);
    return (names as unknown as Buffer[]).map((name) => pathText(name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

export async function listTrash(home: string): Promise<{ entries: Trashed[]; total: number }> {
  const { files } = trashOf(home);
  const ids = await idsIn(home);
  const entries: Trashed[] = [];
  for (const trash_id of ids) {
    const stats = await lstatOrNull(`${files}/${trash_id}`);
    if (stats === null) continue;
    // Without its info (a program that did not write one) it can still be seen, and removed.
    const { path, deleted_at } = await infoOf(home, trash_id).catch(() => ({
      path: `${files}/${trash_id}`,
      deleted_at: stats.ctimeMs,
    }));
    entries.push({ trash_id, path, deleted_at, folder: stats.isDirectory(), size: stats.size });
  }
  entries.sort((a, b) => b.deleted_at - a.deleted_at);
  return { entries: entries.slice(0, MAX_TRASH_LIST), total: ids.length };
}

export async function restoreTrash(
  home: string,
  request: { trash_ids: string[]; keep_both?: boolean | undefined },
): Promise<{ paths: string[] }> {
  const { files, info } = trashOf(home);
  const paths: string[] = [];
  for (const id of request.trash_ids.map(checkId)) {
    const { path: wanted } = await infoOf(home, id).catch((error: unknown) => {
      throw fileError(error, id);
    });
    let path = wanted;
    for (let number = 2; (await lstatOrNull(path)) !== null; number++) {
      if (request.keep_both !== true || number > MAX_TRIES) throw existsAlready(path);
      path = otherName(wanted, number);
    }
    try {
      await mkdir(sysPath(folderOf(path)), { recursive: true });
      await rename(sysPath(`${files}/${id}`), sysPath(path));
      await unlink(sysPath(`${info}/${id}${INFO}`)).catch(() => {});
    } catch (error) {
      throw fileError(error, path);
    }
    paths.push(path);
  }
  return { paths };
}

export async function emptyTrash(home: string, wanted: string[] | undefined): Promise<{ removed: number }> {
  const { files, info, expunged } = trashOf(home);
  const ids = wanted?.map(checkId) ?? (await idsIn(home));
  await mkdir(expunged, { recursive: true, mode: 0o700 });
  let removed = 0;
  for (const id of ids) {
    try {
      // Away at once; taking it apart may take minutes, and an agent that ends meanwhile goes on at the next time.
      await rename(sysPath(joinPath(files, id)), joinPath(expunged, randomBytes(8).toString("hex")));
      removed += 1;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw fileError(error, id);
    }
    await unlink(sysPath(`${info}/${id}${INFO}`)).catch(() => {});
  }
  // What cannot be taken apart (a folder without the right to write) is there to be seen in `expunged`.
  void rm(expunged, { recursive: true, force: true, maxRetries: 2 }).catch(() => {});
  return { removed };
}
