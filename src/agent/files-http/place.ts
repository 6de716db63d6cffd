/** Puts a finished upload where it belongs, as a whole: by a rename, or by a copy beside the place and then a rename. */
import { randomBytes } from "node:crypto";
import { chmod, constants, copyFile, mkdir, open, realpath, rename, stat, unlink } from "node:fs/promises";
import type { OnExisting } from "../../contract/files-http.ts";
import { pathText, sysPath } from "../../contract/path-bytes.ts";
import { errnoOf } from "../../core/errors.ts";
import { otherName } from "../../core/other-name.ts";
import { existsAlready } from "../file-error.ts";
import { notRegular } from "../files.ts";
import { folderOf } from "../paths.ts";

const MAX_NAMES = 1000;

/** Takes a name for itself. False: it is taken. */
async function reserve(path: string): Promise<boolean> {
  try {
    await (await open(sysPath(path), "wx", 0o666)).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function moveOver(from: string, to: string): Promise<void> {
  try {
    await rename(sysPath(from), sysPath(to));
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    // Another file system: a copy beside the place first, so that a reader never sees half of it.
    const beside = `${folderOf(to)}/.upload-${randomBytes(6).toString("hex")}.tmp`;
    try {
      await copyFile(sysPath(from), sysPath(beside), constants.COPYFILE_EXCL);
      await rename(sysPath(beside), sysPath(to));
    } catch (failed) {
      await unlink(sysPath(beside)).catch(() => {});
      throw failed;
    }
    await unlink(sysPath(from));
  }
}

async function replace(data: string, target: string): Promise<string> {
  // A link is written through, as an editor does it.
  const path = await realpath(sysPath(target), { encoding: "buffer" }).then(
    (bytes) => pathText(bytes as unknown as Buffer),
    (error: unknown) => {
      if (errnoOf(error) === "ENOENT") return target;
      throw error;
    },
  );
  const before = await stat(sysPath(path)).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (before?.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  if (before && !before.isFile()) throw notRegular(target);
  if (before) await chmod(sysPath(data), before.mode & 0o777);
  await moveOver(data, path);
  return target;
}

/** Resolves with the path it got. `file.exists` for `refuse`; `data` is then still there. */
export async function place(data: string, target: string, existing: OnExisting): Promise<string> {
  await mkdir(sysPath(folderOf(target)), { recursive: true });
  if (existing === "replace") return await replace(data, target);
  for (let number = 1; number <= (existing === "refuse" ? 1 : MAX_NAMES); number++) {
    const path = number === 1 ? target : otherName(target, number);
    if (!(await reserve(path))) continue;
    try {
      await moveOver(data, path);
    } catch (error) {
      await unlink(sysPath(path)).catch(() => {});
      throw error;
    }
    return path;
  }
  throw existsAlready(target);
}
