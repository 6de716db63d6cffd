/**
 * What would be made of a target, with its arithmetic, or why nothing would. Pure: the facts come in, the plan goes
 * out, and neither changes anything.
 */
import { CodedError, EX } from "../../core/errors.ts";
import { MIN_POOL_BYTES, sizeDevice, sizePool } from "./sizing.ts";
import type { DeviceTarget, DirectoryTarget, Target } from "./target.ts";

export interface Plan {
  action: "image" | "format" | "adopt" | "directory";
  mode: "preallocated" | "sparse" | "device" | "directory";
  path: string;
  size_bytes: number;
  reserve_bytes: number;
  ballast_bytes: number;
  shared_with_backups: boolean;
  /** Each step of the arithmetic and each decision, in words. */
  reasons: string[];
}

export interface Wishes {
  /** undefined: decided here. */
  preallocate?: boolean | undefined;
  /** Use what is on a device instead of refusing it. */
  adopt?: boolean | undefined;
  /** `up` makes a pool by itself: it takes no room that nobody asked for. */
  by_itself?: boolean | undefined;
}

/** Where fallocate really reserves blocks; on others it does not (btrfs copies on write), or is not there (NFS). */
const CAN_PREALLOCATE = new Set(["ext4", "xfs"]);

export const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function refuse(code: string, title: string, why: string, fix: string): CodedError {
  return new CodedError({ code: `storage.${code}`, title, why, fix, exit: EX.UNAVAILABLE });
}

function planDevice(target: DeviceTarget, wishes: Wishes): Plan {
  const { path, bytes, holds, uuid, used_by } = target;
  if (used_by !== null)
    throw refuse("device-in-use", `${path} is in use`, used_by, "Unmount it, or name another one.");
  const size_bytes = sizeDevice(bytes);
  if (size_bytes === 0) {
    throw refuse(
      "too-small",
      `${path} is too small for a pool`,
      `It has ${gb(bytes)}; a pool takes at least ${gb(MIN_POOL_BYTES)}.`,
      "Name a larger one.",
    );
  }
  const base = {
    mode: "device",
    path,
    size_bytes,
    reserve_bytes: 0,
    ballast_bytes: 0,
    shared_with_backups: false,
  } as const;
  const size = `${path} has ${gb(bytes)}; a device of its own is used whole`;
  if (holds === null) {
    return { ...base, action: "format", reasons: [size, "nothing is on it: it is formatted with btrfs"] };
  }
  if (wishes.adopt !== true) {
    throw refuse(
      "device-has-data",
      `There is data on ${path}`,
      `It holds ${holds}${uuid === null ? "" : ` (${uuid})`}.`,
      holds === "btrfs"
        ? "With --adopt it is used as it is, and nothing on it is lost. To empty it instead: wipefs --all, by yourself."
        : "Name another one, or empty this one by yourself with wipefs --all.",
    );
  }
  if (holds !== "btrfs") {
    throw refuse(
      "cannot-adopt",
      `${path} holds ${holds}, which cannot be adopted`,
      "Only a btrfs file system can.",
      "Name another one, or empty this one by yourself with wipefs --all.",
    );
  }
  return {
    ...base,
    action: "adopt",
    reasons: [size, `it holds the btrfs file system ${uuid}, which is kept with all that is on it`],
  };
}

function chooseMode(
  target: DirectoryTarget,
  wishes: Wishes,
): { mode: "preallocated" | "sparse"; why: string } {
  const able = CAN_PREALLOCATE.has(target.fs_type);
  if (wishes.preallocate === true && !able) {
    throw refuse(
      "cannot-preallocate",
      `${target.fs_type} cannot set room aside for a file`,
      "Only on ext4 and xfs do blocks that were allocated beforehand stay the file's.",
      "Leave out --preallocate, or use another file system.",
    );
  }
  if (wishes.preallocate === true) return { mode: "preallocated", why: "as asked" };
  if (wishes.preallocate === false) return { mode: "sparse", why: "as asked" };
  if (!able) return { mode: "sparse", why: `${target.fs_type} cannot set room aside for a file` };
  if (wishes.by_itself === true) {
    return {
      mode: "sparse",
      why: "made by itself, so it takes its room only as it fills; `storage grow --preallocate` takes it at once, after which a full disk cannot hurt what was saved",
    };
  }
  return { mode: "preallocated", why: "there is room: nothing that was saved can be lost to a full disk" };
}

function planDirectory(target: DirectoryTarget, wishes: Wishes, missing: string | null): Plan {
  const { total_bytes, free_bytes, held_bytes, shared_with_backups } = target;
  const sized = sizePool(target);
  const room = free_bytes + held_bytes - sized.reserve_bytes;
  const reasons = [
    `the file system of ${target.path} (${target.fs_type}) has ${gb(total_bytes)}, ${gb(free_bytes)} of it free`,
    ...(held_bytes > 0 ? [`the image that is there occupies ${gb(held_bytes)}, which count as free`] : []),
    `reserve: max(5 GB, 20 % of ${gb(total_bytes)}), at most 100 GB: ${gb(sized.reserve_bytes)}`,
    `left for a pool: ${gb(free_bytes + held_bytes)} − ${gb(sized.reserve_bytes)} = ${gb(Math.max(0, room))}`,
    ...(shared_with_backups ? [`the hub keeps its backups on the same file system: half of that`] : []),
  ];
  const directory = (why: string): Plan => ({
    action: "directory",
    mode: "directory",
    path: target.path,
    size_bytes: 0,
    reserve_bytes: sized.reserve_bytes,
    ballast_bytes: 0,
    shared_with_backups,
    reasons: [...reasons, `plain directories, without quotas and snapshots: ${why}`],
  });
  if (missing !== null) return directory(missing);
  if (sized.size_bytes === 0) return directory(`a pool takes at least ${gb(MIN_POOL_BYTES)}`);
  const { mode, why } = chooseMode(target, wishes);
  return {
    action: "image",
    mode,
    path: target.path,
    size_bytes: sized.size_bytes,
    reserve_bytes: sized.reserve_bytes,
    ballast_bytes: mode === "sparse" ? sized.ballast_bytes : 0,
    shared_with_backups,
    reasons: [
      ...reasons,
      `an image of ${gb(sized.size_bytes)}, ${mode}: ${why}`,
      ...(mode === "sparse"
        ? [
            `of the reserve, ${gb(sized.ballast_bytes)} are held by a ballast file, given back should the disk fill up from elsewhere`,
            `as the disk fills: below ${gb(sized.reserve_bytes * 0.75)} free a warning, below ${gb(sized.reserve_bytes / 2)} no new work, below ${gb(sized.reserve_bytes / 4)} projects are stopped`,
          ]
        : []),
    ],
  };
}

/** `missing` says what this machine lacks for btrfs, if anything. Errors: `storage.device-has-data` and its like. */
export function planPool(target: Target, wishes: Wishes, missing: string | null): Plan {
  if (target.kind === "device") {
    if (missing !== null)
      throw refuse("no-btrfs", "This machine cannot use btrfs", missing, "Install what is missing.");
    return planDevice(target, wishes);
  }
  return planDirectory(target, wishes, missing);
}
