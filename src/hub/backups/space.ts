/** Room in a repository. A full one loses nothing, but takes nothing either, and pruning it needs room itself. */
import { existsSync, rmSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { execOk } from "../../core/exec.ts";
import type { OpenRepository } from "./repositories.ts";

const GIB = 2 ** 30;
/** Kept free for other things of the disk: a tenth, at least this, at most that. */
const LEAST_BYTES = 2 * GIB;
const MOST_BYTES = 20 * GIB;
const BALLAST_BYTES = GIB / 4;
/** Of a small disk, at most this share. */
const BALLAST_SHARE = 1 / 40;

export interface Room {
  free_bytes: number;
  total_bytes: number;
  space: "ok" | "warn" | "refuse";
}

/** Below `refuse` no backup begins; below half as much again it warns. Pure. */
export function judgeRoom(free: number, total: number): Room["space"] {
  const refuse = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, total / 10), total / 3);
  return free < refuse ? "refuse" : free < refuse * 1.5 ? "warn" : "ok";
}

/** Undefined for S3, which does not say. */
export async function roomOf(one: OpenRepository): Promise<Room | undefined> {
  if (one.where.kind !== "local" || !existsSync(one.location)) return undefined;
  const fs = await statfs(one.location);
  const [free, total] = [fs.bavail * fs.bsize, fs.blocks * fs.bsize];
  return { free_bytes: free, total_bytes: total, space: judgeRoom(free, total) };
}

/** Error `backup.no-room`. */
export async function roomFor(one: OpenRepository): Promise<void> {
  const room = await roomOf(one);
  if (room?.space !== "refuse") return;
  throw new CodedError({
    code: "backup.no-room",
    title: `The repository's disk has only ${(room.free_bytes / GIB).toFixed(1)} GiB free`,
    why: `Backups stop there, so that the disk of ${one.location} is never filled by them.`,
    fix: "Free some space on it, let the setting backup_keep keep less and prune, or set backup_path to a larger disk.",
    command: "cocalc-hub backup prune",
    status: 507,
    exit: EX.TEMPFAIL,
  });
}

const ballast = (one: OpenRepository) => join(one.location, "..", `${one.repository_id}.ballast`);

/** How much of a disk is kept back for pruning a full repository. Pure. */
export const ballastBytes = (total: number): number =>
  Math.floor(Math.min(BALLAST_BYTES, total * BALLAST_SHARE) / 4096) * 4096;

/** A file to be thrown out when there is no room left, so that a prune can run all the same. */
export async function keepBallast(one: OpenRepository): Promise<void> {
  const room = await roomOf(one);
  if (room === undefined) return;
  const path = ballast(one);
  const bytes = ballastBytes(room.total_bytes);
  if (existsSync(path) && statSync(path).size === bytes) return;
  if (judgeRoom(room.free_bytes - bytes, room.total_bytes) !== "ok") return;
  try {
    await execOk(["fallocate", "-l", String(bytes), path]);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Whether something was thrown out. */
export async function dropBallast(one: OpenRepository): Promise<boolean> {
  const room = await roomOf(one);
  if (room === undefined || room.free_bytes > ballastBytes(room.total_bytes) * 2 || !existsSync(ballast(one)))
    return false;
  rmSync(ballast(one), { force: true });
  return true;
}
