/**
 * The directories that belong to the helper: `storage/` on disk (images, projects, podman's records) and a runtime
 * directory below /run (mount points, agent sockets), both root's own. Every path is built from checked ids and
 * walked component by component without following a link.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { CodedError, EX, errnoOf } from "../../core/errors.ts";
import { hostPaths, shortId } from "../../core/paths.ts";
import { asRoot, type Privilege, rootless } from "./privilege.ts";

export interface HelperRoot {
  /** The host's user, as the owner of its directory: the only one besides root who may ask. */
  hostUid: number;
  hostGid: number;
  socket: string;
  /** Where the host's user puts downloaded archives. Read, never written. */
  downloads: string;
  storage: string;
  run: string;
  /** How root's work is done; looked for at the first use, as what it needs may be installed while we run. */
  readonly privilege: Privilege;
  /** Where named network namespaces are. */
  netnsDir: string;
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
  if (stat.uid !== process.getuid?.())
    throw unsafe(path, `it belongs to user ${stat.uid}, not to the helper's`);
  chmodSync(path, mode);
}

/** /tmp may outlive a reboot; what podman wrote there of processes and namespaces does not. */
function forgetLastBoot(run: string): void {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  const mark = join(run, "boot");
  if (existsSync(mark) && readFileSync(mark, "utf8") !== boot) {
    for (const name of readdirSync(run)) rmSync(join(run, name), { recursive: true, force: true });
  }
  writeFileSync(mark, boot, { mode: 0o600 });
}

/** `storage/` and what is always in it, root's own; the directory above is the host user's. */
export function openStorageDir(dataDir?: string): string {
  const { dir } = hostPaths(dataDir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (!lstatSync(dir).isDirectory()) throw unsafe(dir, "it is no directory");
  const storage = join(dir, "storage");
  for (const one of [storage, join(storage, "projects"), join(storage, "images")]) ownDirectory(one, 0o711);
  return storage;
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
  const storage = openStorageDir(dataDir);
  const uid = process.getuid?.() ?? 0;
  const root = uid === 0;
  // Not below /run/user: that is wiped at logout, under projects that live on. Short: podman and sockets need it.
  const run = root ? `/run/cocalc-${instance}` : `/tmp/cocalc-${uid}-${instance}`;
  ownDirectory(run, 0o711);
  if (!root) forgetLastBoot(run);
  for (const dir of ["i", "m", "p", "n", "b"]) ownDirectory(join(run, dir), 0o711);
  let privilege: Privilege | undefined;
  // The directory above storage is the host user's, who could rename it: its identity is kept from the start.
  const born = lstatSync(storage);
  return {
    hostUid: owner.uid,
    hostGid: owner.gid,
    socket: paths.helperSocket,
    downloads: paths.images,
    storage,
    run,
    get privilege() {
      privilege ??= root ? asRoot : rootless(storage, run);
      return privilege;
    },
    netnsDir: root ? "/run/netns" : join(run, "n"),
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
        if (at !== path && stat.uid !== uid)
          throw unsafe(at, `it belongs to user ${stat.uid}, not to the helper's`);
      }
      return path;
    },
  };
}
