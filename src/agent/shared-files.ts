/**
 * Files as a viewer sees them: what lies beneath the marked roots, and the folders on the way there with nothing else
 * in them. Links are followed before it is judged, so that a link out of a root leads nowhere.
 */
import { realpath } from "node:fs/promises";
import { sysPath } from "../contract/path-bytes.ts";
import type { FileInfo } from "../contract/project-services.ts";
import { CodedError } from "../core/errors.ts";
import { statEntry } from "./files.ts";
import { type ListRequest, listFolder } from "./files-list.ts";
import { joinPath, resolvePath } from "./paths.ts";

export const isBeneath = (path: string, root: string): boolean =>
  path === root || root === "/" || path.startsWith(`${root}/`);

/** As for what does not exist: a viewer does not learn what else there is. */
function unseen(path: string): CodedError {
  return new CodedError({
    code: "file.not-found",
    title: `There is no such file or folder: ${path.slice(0, 300)}`,
    status: 404,
  });
}

async function real(path: string): Promise<string | undefined> {
  return await realpath(sysPath(path) as string).catch(() => undefined);
}

/** The absolute path, when what it leads to is beneath what a root leads to. */
export async function seenPath(home: string, path: string, roots: readonly string[]): Promise<string> {
  const wanted = resolvePath(home, path);
  const target = await real(wanted);
  if (target !== undefined) {
    for (const root of roots) {
      const base = await real(resolvePath(home, root));
      if (base !== undefined && isBeneath(target, base)) return wanted;
    }
  }
  throw unseen(path);
}

export async function listShared(home: string, request: ListRequest & { roots: string[] }) {
  const { roots, ...list } = request;
  const wanted = resolvePath(home, list.path);
  const towards = roots
    .map((root) => resolvePath(home, root))
    .filter((root) => root !== wanted && isBeneath(root, wanted))
    .map((root) => root.slice(wanted === "/" ? 1 : wanted.length + 1).split("/")[0] as string);
  try {
    return await listFolder(home, { ...list, path: await seenPath(home, list.path, roots) });
  } catch (error) {
    // Not seen itself, but on the way to something that is.
    const nothing = towards.length === 0 && wanted !== resolvePath(home, ".");
    if (nothing || !(error instanceof CodedError) || error.code !== "file.not-found") throw error;
  }
  const found = await Promise.all(
    [...new Set(towards)]
      .sort()
      .map((name) => statEntry(joinPath(wanted, name), name).catch(() => undefined)),
  );
  const entries = found.filter((one): one is FileInfo => one !== undefined);
  return { path: wanted, home, entries, total: entries.length };
}
