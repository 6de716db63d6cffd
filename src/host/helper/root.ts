/**
 * The directories that belong to the helper: `storage/` on disk (images, projects, podman's records) and a runtime
 * directory below /run (mount points, agent sockets), both root's own. Every path is built from checked ids and
 * walked component by component without following a link.
 */
import { createHash } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { CodedError, EX, errnoOf } from "../../core/errors.ts";
import { hostPaths, shortId } from "../../core/paths.ts";

export interface HelperRoot {
  /** The host's user, as the owner of its directory: the only one besides root who may ask. */
  hostUid: number;
  hostGid: number;
  socket: string;
  /** Where the host's user puts downloaded archives. Read, never written. */
  downloads: string;
  storage: string;
  run: string;
  projectDir(id: string): string;
  imageDir(digest: string): string;
  lower(id: string): string;
  rootfs(id: string): string;
  agentDir(id: string): string;
  netns(id: string): string;
  container(id: string): string;
  /** Throws `helper.unsafe-path` unless every component below storage or run is root's own directory. */
  check(path: string): string;
}

/** Containers and namespaces of two instances on one machine must not meet: the hash of the directory is in names. */
export function instanceName(hostDir: string): string {
  return createHash("sha256").update(hostDir).digest("hex").slice(0, 8);
}

function unsafe(path: string, why: string): CodedError {
  return new CodedError({
    code: "helper.unsafe-path",
    title: `The helper will not touch ${path}`,
    why,
    fix: "Something other than the helper changed its directory: put it back, as root.",
    exit: EX.NOPERM,
  });
}

function ownDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw unsafe(path, "it is no directory");
  if (stat.uid !== process.getuid?.()) throw unsafe(path, `it belongs to user ${stat.uid}, not to root`);
  chmodSync(path, mode);
}

/** Opens (and makes, at first) the helper's directories. `data-dir` decides all of it; nothing later can. */
export function openHelperRoot(dataDir?: string): HelperRoot {
  const paths = hostPaths(dataDir);
  mkdirSync(paths.dir, { recursive: true, mode: 0o700 });
  const owner = lstatSync(paths.dir);
  if (!owner.isDirectory()) throw unsafe(paths.dir, "it is no directory");
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  if (lstatSync(paths.run).uid !== owner.uid) chownSync(paths.run, owner.uid, owner.gid);
  const instance = instanceName(paths.dir);
  const storage = join(paths.dir, "storage");
  const run = `/run/cocalc-${instance}`;
  for (const dir of [storage, join(storage, "projects"), join(storage, "images"), run])
    ownDirectory(dir, 0o711);
  for (const dir of ["i", "m", "p"]) ownDirectory(join(run, dir), 0o711);
  // The directory above storage is the host user's, who could rename it: its identity is kept from the start.
  const born = lstatSync(storage);
  return {
    hostUid: owner.uid,
    hostGid: owner.gid,
    socket: paths.helperSocket,
    downloads: paths.images,
    storage,
    run,
    projectDir: (id) => join(storage, "projects", id),
    imageDir: (digest) => join(storage, "images", digest),
    lower: (id) => join(run, "i", shortId(id)),
    rootfs: (id) => join(run, "m", shortId(id)),
    agentDir: (id) => join(run, "p", shortId(id)),
    netns: (id) => `cocalc-${instance}-${shortId(id)}`,
    container: (id) => `cocalc-${instance}-${shortId(id)}`,
    check(path) {
      const now = lstatSync(storage);
      if (now.ino !== born.ino || now.dev !== born.dev)
        throw unsafe(storage, "it is not the directory it was");
      const base = path.startsWith(`${run}/`) ? run : storage;
      let at = base;
      const rest = relative(base, path);
      if (rest.startsWith("..")) throw unsafe(path, `it is not below ${base}`);
      for (const part of rest.split("/")) {
        at = join(at, part);
        let stat: ReturnType<typeof lstatSync>;
        try {
          stat = lstatSync(at);
        } catch (error) {
          if (errnoOf(error) === "ENOENT") return path;
          throw error;
        }
        if (stat.isSymbolicLink()) throw unsafe(at, "it is a symbolic link");
        if (at !== path && stat.uid !== 0) throw unsafe(at, `it belongs to user ${stat.uid}, not to root`);
      }
      return path;
    },
  };
}
