/**
 * A folder's entries, page by page. The names are read and sorted once for as long as the folder stays as it is: a page
 * of a directory with a hundred thousand entries costs no more than one of a small one.
 */
import { lstat, readdir, stat } from "node:fs/promises";
import { pathText, sysPath } from "../contract/path-bytes.ts";
import { type FileInfo, MAX_LIST_ENTRIES } from "../contract/project-services.ts";
import { errnoOf } from "../core/errors.ts";
import { fileError } from "./file-error.ts";
import { statEntry } from "./files.ts";
import { joinPath, resolvePath } from "./paths.ts";

/** lstat calls in flight while a page is made. */
const PARALLEL = 32;
/** Folders whose names are kept. */
const KEPT = 8;

export interface ListRequest {
  path: string;
  offset?: number | undefined;
  limit?: number | undefined;
  order?: "name" | "folders" | undefined;
  hidden?: boolean | undefined;
}

interface Name {
  name: string;
  /** A folder, or a link to one; looked at only where the order asks for it. */
  folder: boolean;
}

const kept = new Map<string, { version: string; names: Name[] }>();
const collator = new Intl.Collator(undefined, { numeric: true });

/** As text of path-bytes.ts. The types come with the names; a name that is no UTF-8 has its looked up. */
async function namesOf(path: string, types: boolean): Promise<Name[]> {
  const entries = await readdir(sysPath(path) as string, { withFileTypes: true });
  const links: Name[] = [];
  const names: Name[] = [];
  let broken = false;
  for (const entry of entries) {
    if (entry.name.includes("\ufffd")) {
      broken = true;
      continue;
    }
    const one = { name: entry.name, folder: entry.isDirectory() };
    names.push(one);
    if (entry.isSymbolicLink()) links.push(one);
  }
  if (broken) {
    // Bun gives either types or bytes.
    const raw = (await readdir(sysPath(path) as string, { encoding: "buffer" })) as unknown as Buffer[];
    for (const bytes of raw) {
      const name = pathText(bytes);
      if (!bytes.toString().includes("\ufffd")) continue;
      const one = { name, folder: false };
      names.push(one);
      links.push(one);
    }
  }
  if (!types) return names;
  for (let at = 0; at < links.length; at += PARALLEL) {
    await Promise.all(
      links.slice(at, at + PARALLEL).map(async (one) => {
        // A link that leads nowhere is no folder.
        const stats = await stat(sysPath(joinPath(path, one.name))).catch(() => undefined);
        one.folder = stats?.isDirectory() ?? false;
      }),
    );
  }
  return names;
}

async function sorted(path: string, request: ListRequest): Promise<Name[]> {
  const order = request.order ?? "name";
  const hidden = request.hidden ?? true;
  const { mtimeNs, ctimeNs, ino } = await lstat(sysPath(path === "/" ? "/" : `${path}/`), { bigint: true });
  const version = `${ino} ${mtimeNs} ${ctimeNs}`;
  const key = `${order} ${hidden} ${path}`;
  const known = kept.get(key);
  // Within one tick of the file system's clock a folder may change without showing it.
  const young = BigInt(Date.now()) * 1_000_000n - mtimeNs < 50_000_000n;
  if (known?.version === version && !young) return known.names;
  const all = await namesOf(path, order === "folders");
  const names = hidden ? all : all.filter(({ name }) => !name.startsWith("."));
  if (order === "folders") {
    names.sort((a, b) => Number(b.folder) - Number(a.folder) || collator.compare(a.name, b.name));
  } else names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  kept.delete(key);
  kept.set(key, { version, names });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
  return names;
}

export async function listFolder(
  home: string,
  request: ListRequest,
): Promise<{ path: string; home: string; entries: FileInfo[]; total: number }> {
  const path = resolvePath(home, request.path);
  try {
    const names = await sorted(path, request);
    const offset = request.offset ?? 0;
    const page = names.slice(offset, offset + (request.limit ?? MAX_LIST_ENTRIES));
    const entries: FileInfo[] = [];
    for (let at = 0; at < page.length; at += PARALLEL) {
      const found = await Promise.all(
        page.slice(at, at + PARALLEL).map(async ({ name }) => {
          try {
            return await statEntry(joinPath(path, name), name);
          } catch (error) {
            // Deleted meanwhile.
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
