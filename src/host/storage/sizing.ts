/**
 * How large a pool is, and when its backing file system is too full: two sides of one arithmetic, so one file. Sparse
 * images lose acknowledged writes when the file system below them is full (seen: 60 fsynced files accepted, all 60
 * empty), hence the reserve, and marks within it that are reached one after another before btrfs sees an error.
 *
 * @example
 * sizePool({ total_bytes: 500 * GB, free_bytes: 400 * GB, shared_with_backups: false })
 * // reserve 100 GB (20 %, at most 100), size 300 GB
 */
import type { Watermark } from "../../contract/storage.ts";

export const GB = 1e9;
/** A pool smaller than this is not worth its reserve. */
export const MIN_POOL_BYTES = 5 * GB;
const MIN_RESERVE_BYTES = 5 * GB;
const MAX_RESERVE_BYTES = 100 * GB;
const RESERVE_PART = 0.2;
/** btrfs wants whole sectors; whole MiB read better. */
const ALIGN = 2 ** 20;
/** Growing by less than this is not worth a resize. */
export const MIN_GROWTH_BYTES = 1 * GB;
/** Held by the ballast file, part of the reserve; given back at the last mark, so that what is in memory gets out. */
const BALLAST_PART = 1 / 8;
const MAX_BALLAST_BYTES = 1 * GB;

export interface Sized {
  reserve_bytes: number;
  ballast_bytes: number;
  /** 0 when there is no room for a pool. */
  size_bytes: number;
}

const align = (bytes: number) => Math.max(0, Math.floor(bytes / ALIGN) * ALIGN);

/** What stays free for everything else on a file system of this size. */
export function reserveOf(total_bytes: number): number {
  return align(Math.min(MAX_RESERVE_BYTES, Math.max(MIN_RESERVE_BYTES, total_bytes * RESERVE_PART)));
}

/**
 * `held_bytes`: what an image that is there already occupies, and so may go on having. `shared_with_backups`: the hub's
 * backup repository grows on the same file system, and gets the other half.
 */
export function sizePool(fs: {
  total_bytes: number;
  free_bytes: number;
  held_bytes?: number;
  shared_with_backups: boolean;
}): Sized {
  const reserve_bytes = reserveOf(fs.total_bytes);
  const room = fs.free_bytes + (fs.held_bytes ?? 0) - reserve_bytes;
  const size = align(fs.shared_with_backups ? room / 2 : room);
  return {
    reserve_bytes,
    ballast_bytes: align(Math.min(MAX_BALLAST_BYTES, reserve_bytes * BALLAST_PART)),
    size_bytes: size < MIN_POOL_BYTES ? 0 : size,
  };
}

/** A partition or disk of its own is used whole; 0 when it is too small. */
export function sizeDevice(bytes: number): number {
  return bytes < MIN_POOL_BYTES ? 0 : align(bytes);
}

/** The new size of an image, or undefined when growing is not worth it. It never shrinks. */
export function grownSize(now_bytes: number, fs: Parameters<typeof sizePool>[0]): number | undefined {
  const { size_bytes } = sizePool(fs);
  return size_bytes >= now_bytes + MIN_GROWTH_BYTES ? size_bytes : undefined;
}

/**
 * Which mark the backing file system is below. What the ballast holds counts as free: it can be given back at once.
 */
export function watermarkOf(free_bytes: number, ballast_bytes: number, reserve_bytes: number): Watermark {
  const left = (free_bytes + ballast_bytes) / reserve_bytes;
  if (left < 1 / 4) return "stop";
  if (left < 1 / 2) return "refuse";
  if (left < 3 / 4) return "warn";
  return "ok";
}
