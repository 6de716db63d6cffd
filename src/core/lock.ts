/**
 * One owner per data directory. flock(2) on a file: the kernel lets go of it when the owner dies, kill -9 included,
 * so there is no stale lock to clean up. The file says who holds it.
 */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { CodedError, EX } from "./errors.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

export interface LockOwner {
  pid: number;
  command: string;
  since: string;
}

export interface Lock {
  release(): void;
}

function flock(fd: number): boolean {
  const libc = dlopen("libc.so.6", { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
  return libc.symbols.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** Throws `lock.held` with the owner's pid and command. */
export function acquireLock(path: string, command: string): Lock {
  const fd = openSync(path, "a+", 0o600);
  if (!flock(fd)) {
    closeSync(fd);
    const owner = lockOwner(path);
    throw new CodedError({
      code: "lock.held",
      title: `${path} is held by another process`,
      why: owner
        ? `${owner.command} (pid ${owner.pid}) runs since ${owner.since}.`
        : "Its owner is just starting.",
      fix: "Stop that one first, or use another --data-dir.",
      ...(owner ? { command: `kill ${owner.pid}` } : {}),
      exit: EX.TEMPFAIL,
    });
  }
  const owner: LockOwner = { pid: process.pid, command, since: new Date().toISOString() };
  ftruncateSync(fd);
  writeSync(fd, `${JSON.stringify(owner)}\n`, 0);
  return { release: () => closeSync(fd) };
}

function lockOwner(path: string): LockOwner | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as LockOwner;
  } catch {
    return undefined; // being written this moment
  }
}
