/** What the project sees below ~/.snapshots, compared with what is there now, and put back. */
import type { BigIntStats } from "node:fs";
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { pathText, sysPath } from "../contract/path-bytes.ts";
import { type Change, MAX_CHANGES } from "../contract/project-services/snapshots.ts";
import { CodedError, errnoOf } from "../core/errors.ts";
import { fileError } from "./file-error.ts";
import { folderOf, nameOf, resolvePath } from "./paths.ts";
import { spawn } from "./spawn.ts";

const SNAPSHOTS = ".snapshots";
/** Entries that one comparison looks at; a tree of more is compared folder by folder. */
const MAX_VISITED = 200_000;
const COPY_TIMEOUT_MS = 110_000;

/** Of a path as text of path-bytes.ts; undefined where there is nothing. */
async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(sysPath(path) as string, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, path);
  }
}

async function namesIn(path: string): Promise<string[]> {
  const raw = (await readdir(sysPath(path) as string, { encoding: "buffer" })) as unknown as Buffer[];
  return raw.map((bytes) => pathText(bytes)).sort();
}

/**
 * A snapshot's inode is the live one's as it was: as long as inode and change time are equal, nothing in the file is
 * different, and its content need not be read. Another inode is a file that was put in its place, by a restore too: the
 * same when owner, mode, size and modification time (nanoseconds) are, as rsync judges.
 */
function same(a: BigIntStats, b: BigIntStats): boolean {
  if (a.ino === b.ino) return a.ctimeNs === b.ctimeNs;
  return (["mode", "uid", "gid", "size", "mtimeNs"] as const).every((key) => a[key] === b[key]);
}

/** Below the home, without a `/` at either end. `path.outside-home` for what is elsewhere. */
function inHome(home: string, path: string): string {
  const full = resolvePath(home, path);
  if (full === home) return "";
  const inside = full.startsWith(`${home}/`) ? full.slice(home.length + 1) : undefined;
  if (inside !== undefined && inside.split("/")[0] !== SNAPSHOTS) return inside;
  throw new CodedError({
    code: "snapshot.outside-home",
    title: `Not in the home: ${path.slice(0, 300)}`,
    why: "Single files and folders are put back from what was in the home; all of a project also holds what was installed.",
    fix: "Name something in the home, or restore all.",
    status: 400,
  });
}

async function root(home: string, snapshot: string): Promise<string> {
  const path = `${home}/${SNAPSHOTS}/${snapshot}`;
  // A link that the host made; what it leads to is the home as it was.
  if ((await statOf(`${path}/.`)) !== undefined) return path;
  throw new CodedError({
    code: "storage.unknown-snapshot",
    title: `There is no snapshot ${snapshot} of this project`,
    status: 404,
  });
}

export async function changes(
  home: string,
  request: { snapshot: string; path: string },
): Promise<{ changes: Change[]; more: boolean }> {
  const inside = inHome(home, request.path);
  const then = await root(home, request.snapshot);
  const found: Change[] = [];
  let visited = 0;
  let more = false;
  const note = (
    path: string,
    kind: Change["kind"],
    a: BigIntStats | undefined,
    b: BigIntStats | undefined,
  ) => {
    if (found.length >= MAX_CHANGES || path.length > 4096) {
      more = true;
      return;
    }
    const size = (one: BigIntStats | undefined) =>
      one === undefined || one.isDirectory() ? null : Number(one.size);
    found.push({
      path,
      kind,
      folder: (b ?? a)?.isDirectory() ?? false,
      size_then: size(a),
      size_now: size(b),
    });
  };
  const compare = async (below: string, old: string, now: string): Promise<void> => {
    if (more) return;
    visited += 1;
    if (visited > MAX_VISITED) {
      more = true;
      return;
    }
    const [a, b] = await Promise.all([statOf(old), statOf(now)]);
    if (a === undefined && b === undefined) return;
    if (a === undefined) return note(below, "added", a, b);
    if (b === undefined) return note(below, "removed", a, b);
    if (a.isDirectory() && b.isDirectory()) {
      const names = new Set([...(await namesIn(old)), ...(await namesIn(now))]);
      for (const name of [...names].sort()) {
        if (now === home && name === SNAPSHOTS) continue;
        await compare(below === "" ? name : `${below}/${name}`, `${old}/${name}`, `${now}/${name}`);
      }
      return;
    }
    if (!same(a, b)) note(below, "changed", a, b);
  };
  const at = inside === "" ? "" : `/${inside}`;
  await compare("", `${then}${at}${at === "" ? "/." : ""}`, `${home}${at}`);
  return { changes: found, more };
}

/** cp knows of reflinks, holes, links, owners and attributes. */
async function copy(from: string, to: string): Promise<void> {
  const proc = spawn(["cp", "-a", "--reflink=auto", "--no-target-directory", "--", from, to], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: COPY_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const said = await new Response(proc.stderr).text();
  if ((await proc.exited) === 0) return;
  throw new CodedError({
    code: /quota|no space/i.test(said) ? "file.no-space" : "snapshot.restore-failed",
    title: "It could not be put back",
    why: said.trim().split("\n").slice(0, 3).join("\n").slice(0, 1000) || "the copy did not end in time",
    fix: "What was there is still there.",
    status: 500,
  });
}

export async function restore(
  home: string,
  request: { snapshot: string; paths: string[] },
): Promise<{ restored: string[] }> {
  const then = await root(home, request.snapshot);
  const restored: string[] = [];
  for (const path of request.paths) {
    const inside = inHome(home, path);
    if (inside === "" || (await statOf(`${then}/${inside}`)) === undefined) {
      throw new CodedError({
        code: "snapshot.no-such-file",
        title: `There was no ${path.slice(0, 300)} in that snapshot`,
        fix: "Look at what was in it.",
        status: 404,
      });
    }
    const target = `${home}/${inside}`;
    const folder = folderOf(target);
    const mark = `${Date.now()}-${process.pid}`;
    const fresh = `${folder}/.${nameOf(target).slice(0, 100)}.restoring-${mark}`;
    const old = `${folder}/.${nameOf(target).slice(0, 100)}.replaced-${mark}`;
    if (typeof sysPath(inside) !== "string") {
      throw new CodedError({
        code: "snapshot.unusual-name",
        title: "A name that is no UTF-8 cannot be put back by itself",
        fix: "Put back the folder that it is in.",
        status: 400,
      });
    }
    try {
      await mkdir(folder, { recursive: true });
      await copy(`${then}/${inside}`, fresh);
      const there = (await statOf(target)) !== undefined;
      if (there) await rename(target, old);
      try {
        await rename(fresh, target);
      } catch (error) {
        if (there) await rename(old, target);
        throw error;
      }
      if (there) await rm(old, { recursive: true, force: true });
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw fileError(error, path);
    }
    restored.push(inside);
  }
  return { restored };
}
