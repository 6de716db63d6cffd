/** Users that the services run as when started as root: made when missing, with a shell (forced commands need one) and no password. */
import { chownSync, lchownSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative } from "node:path";
import { CodedError, EX } from "./errors.ts";
import { exec, execOk } from "./exec.ts";

export interface ServiceUser {
  name: string;
  home: string;
  uid: number;
  gid: number;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/** The user, made if it is missing. Only as root. */
export async function ensureServiceUser(name: string, home: string): Promise<ServiceUser> {
  if ((await exec(["id", "-u", name])).code !== 0) {
    await execOk([
      "useradd",
      "--system",
      "--user-group",
      "--shell",
      "/bin/sh",
      "--home-dir",
      home,
      "--create-home",
      name,
    ]);
  }
  const passwd = (await execOk(["getent", "passwd", name])).trim().split(":");
  return { name, home: passwd[5] ?? home, uid: Number(passwd[2]), gid: Number(passwd[3]) };
}

/**
 * What lies between the user's home and `dir` is the user's where it is made here, or was made by root and closed: it
 * would keep the user out of its own data (seen on a fresh machine, where there was no .local yet). What root left
 * open on the way stays root's: an installation keeps programs there that a service must not replace.
 */
function ownTheWay(dir: string, user: ServiceUser): void {
  const way = relative(user.home, dirname(dir));
  if (way === "" || way.startsWith("..") || isAbsolute(way)) return;
  let at = user.home;
  for (const part of way.split("/")) {
    at = join(at, part);
    const made = mkdirSync(at, { recursive: true, mode: 0o700 }) !== undefined;
    const { uid, mode } = lstatSync(at);
    if (uid === 0 && (made || (mode & 0o001) === 0)) lchownSync(at, user.uid, user.gid);
  }
}

/**
 * Gives a directory to a service user, and checks that it can get there: a data dir below a closed directory would
 * fail later, with a message that says nothing.
 */
export async function giveDir(dir: string, user: ServiceUser): Promise<void> {
  ownTheWay(dir, user);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (statSync(dir).uid !== user.uid) chownSync(dir, user.uid, user.gid);
  const reach = await exec([
    "setpriv",
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    "--clear-groups",
    "--",
    "test",
    "-x",
    dir,
  ]);
  if (reach.code === 0) return;
  throw new CodedError({
    code: "data-dir.unreachable",
    title: `The service user ${user.name} cannot reach ${dir}`,
    why: "A directory above it is closed to others.",
    fix: "Let others pass through it, or choose another --data-dir.",
    command: `namei -m ${dirname(dir)}`,
    exit: EX.CONFIG,
  });
}
