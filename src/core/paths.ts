/**
 * Where state lives. All of it is below `~/.local/share/cocalc` of the user that runs the service, or below what
 * `--data-dir` names, so that two instances on one machine never meet.
 */
import { accessSync, chmodSync, constants, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { CodedError, EX, errnoOf, messageOf } from "./errors.ts";

/** Of `sun_path` in Linux, without the closing NUL. */
export const MAX_SOCKET_PATH = 107;

export interface HubPaths {
  dir: string;
  db: string;
  secrets: string;
  ssh: string;
  tls: string;
  run: string;
  /** The unix socket door: whoever can open it is the local administrator. */
  socket: string;
  images: string;
}

export interface HostPaths {
  dir: string;
  /** What the hub said at pairing. */
  state: string;
  ssh: string;
  run: string;
  helperSocket: string;
  projects: string;
  images: string;
  /** Connector's last word on the tunnel. */
  connectorState: string;
}

/** The root of all state: `--data-dir`, else `~/.local/share/cocalc`. */
export function dataRoot(dataDir?: string, home = homedir()): string {
  if (dataDir === undefined || dataDir === "") return join(home, ".local/share/cocalc");
  return isAbsolute(dataDir) ? dataDir : resolve(dataDir);
}

/** `hubDir` is COCALC_DATA_DIR: it names the hub's own directory alone; `--data-dir` wins over it. */
export function hubPaths(dataDir?: string, hubDir?: string): HubPaths {
  const dir =
    dataDir === undefined && hubDir !== undefined ? resolve(hubDir) : join(dataRoot(dataDir), "launchpad");
  return {
    dir,
    db: join(dir, "hub.sqlite"),
    secrets: join(dir, "secrets"),
    ssh: join(dir, "ssh"),
    tls: join(dir, "tls"),
    run: join(dir, "run"),
    socket: socketPath(join(dir, "run/hub.sock")),
    images: join(dir, "images"),
  };
}

export function hostPaths(dataDir?: string): HostPaths {
  const dir = join(dataRoot(dataDir), "project-host");
  return {
    dir,
    state: join(dir, "host.json"),
    ssh: join(dir, "ssh"),
    run: join(dir, "run"),
    helperSocket: socketPath(join(dir, "run/helper.sock")),
    projects: join(dir, "projects"),
    images: join(dir, "images"),
    connectorState: join(dir, "run/connector.json"),
  };
}

/** The path itself, or an error where the kernel could not bind it. */
export function socketPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH) return path;
  throw new CodedError({
    code: "data-dir.path-too-long",
    title: `The data directory's path is too long: ${path}`,
    why: `A unix socket's path has at most ${MAX_SOCKET_PATH} bytes; this one has ${bytes}.`,
    fix: "Choose a shorter --data-dir.",
    exit: EX.CONFIG,
  });
}

/** Makes a directory that is ours alone; a directory that cannot be used is named with its cause. */
export function ensureDir(path: string, mode = 0o700): string {
  try {
    mkdirSync(path, { recursive: true, mode });
    const stat = statSync(path);
    const uid = process.getuid?.() ?? stat.uid;
    if (stat.uid === uid && (stat.mode & 0o777) !== mode) chmodSync(path, mode);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return path;
  } catch (error) {
    const errno = errnoOf(error);
    const fixes: Record<string, string> = {
      EROFS: "The file system is mounted read-only: remount it, or choose another --data-dir.",
      EACCES: "Give this user the directory and leave to pass through every directory above it.",
      ENOSPC: "The disk is full: free some space.",
      ENOTDIR: "Something in the path is a file: move it away, or choose another --data-dir.",
      EEXIST: "There is a file of that name: move it away, or choose another --data-dir.",
    };
    throw new CodedError(
      {
        code: "data-dir.unusable",
        title: `The directory ${path} cannot be used`,
        why: messageOf(error),
        fix: (errno && fixes[errno]) || "Choose another --data-dir.",
        exit: EX.CANTCREAT,
      },
      { cause: error },
    );
  }
}

/** Short name of a project's runtime directory: the first 12 hex digits of its id, to keep socket paths short. */
export function shortId(projectId: string): string {
  return projectId.replaceAll("-", "").slice(0, 12);
}
