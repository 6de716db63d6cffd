/**
 * Whether the disk that keeps projects can carry what they change of their root filesystem: the upper directory of an
 * overlay. Network filesystems, an overlay itself (a container's root, a live system) and some encrypted homes cannot,
 * and say so with nothing but "wrong fs type".
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import type { Privilege } from "./privilege.ts";

export interface OverlayPlaces {
  lower: string;
  upper: string;
  work: string;
  merged: string;
}

/** Errors: `runtime.no-overlay`, with the filesystem's kind and the way out. */
export async function mountOverlay(privilege: Privilege, places: OverlayPlaces): Promise<void> {
  const options = [
    `lowerdir=${places.lower}`,
    `upperdir=${places.upper}`,
    `workdir=${places.work}`,
    // user.overlay.* markers, which a backup without root can read; whole files in the upper directory.
    "userxattr",
    "index=off",
    "xino=off",
  ];
  const argv = ["mount", "--no-mtab", "-t", "overlay", "overlay", "-o", options.join(","), places.merged];
  const ran = await privilege.exec(argv);
  if (ran.code === 0) return;
  const kind = (await exec(["stat", "-f", "-c", "%T", places.upper])).stdout.trim() || "unknown";
  throw new CodedError({
    code: "runtime.no-overlay",
    title: "The root filesystem of a project cannot be put together on this disk",
    why: `What a project changes of it is kept in ${places.upper}, on a filesystem of the kind ${kind}. ${ran.stderr.trim()}`,
    fix: "Where that is an overlay, a network filesystem or an encrypted home: keep the data on a local ext4, xfs or btrfs, with --data-dir.",
    exit: EX.UNAVAILABLE,
  });
}

/** Tries it with an empty one in `dir`, and takes that away again. Errors: as {@link mountOverlay}. */
export async function tryOverlay(privilege: Privilege, dir: string): Promise<void> {
  const base = join(dir, ".overlay-check");
  const places = {
    lower: join(base, "lower"),
    upper: join(base, "upper"),
    work: join(base, "work"),
    merged: join(base, "merged"),
  };
  try {
    await privilege.execOk(["mkdir", "-p", ...Object.values(places)]);
    await mountOverlay(privilege, places);
    await privilege.execOk(["umount", "--no-mtab", places.merged]);
  } finally {
    // The kernel leaves a directory of its own in `work` that only root of that namespace may remove.
    if (existsSync(base)) await privilege.execOk(["rm", "-rf", "--one-file-system", base]);
  }
}
