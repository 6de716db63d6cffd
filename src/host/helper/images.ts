/** Root file systems on this host: `storage/images/<digest>/`, unpacked once from a verified archive. */

import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { CodedError, EX, errnoOf } from "../../core/errors.ts";
import type { HelperRoot } from "./root.ts";

/** 200 MB from zstd onto a slow disk. */
const UNPACK_TIMEOUT_MS = 240_000;

function broken(digest: string, why: string): CodedError {
  return new CodedError({
    code: "image.broken",
    title: `The archive of image ${digest.slice(0, 12)} cannot be used`,
    why,
    fix: "It is downloaded again from the hub at the next start; if this lasts, compare its sha256 on the hub.",
    exit: EX.DATAERR,
  });
}

/**
 * Verifies and unpacks. The archive lies in the host user's directory, so it is opened once without following a link,
 * and the very bytes that were hashed are those that tar reads: first into the helper's own directory, then unpacked.
 */
export async function unpackImage(root: HelperRoot, digest: string): Promise<void> {
  const target = root.check(root.imageDir(digest));
  if (existsSync(target)) return;
  const source = join(root.downloads, `${digest}.tar.zst`);
  let fd: number;
  try {
    fd = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw broken(digest, "it was not downloaded");
    throw broken(digest, errnoOf(error) === "ELOOP" ? "it is a symbolic link" : `open: ${errnoOf(error)}`);
  }
  const stage = join(root.storage, "images", `.unpacking-${digest.slice(0, 12)}-${process.pid}`);
  const copy = `${stage}.tar.zst`;
  try {
    if (!fstatSync(fd).isFile()) throw broken(digest, "it is no file");
    const hash = createHash("sha256");
    const writer = Bun.file(copy).writer();
    for await (const chunk of createReadStream("", { fd, autoClose: false, highWaterMark: 1 << 20 })) {
      hash.update(chunk as Uint8Array);
      writer.write(chunk as Uint8Array);
      await writer.flush();
    }
    await writer.end();
    if (hash.digest("hex") !== digest) throw broken(digest, "its sha256 is another one");
    mkdirSync(stage, { mode: 0o755 });
    // Devices are the container's own, and nobody but root could make them here.
    const tar = await root.privilege.exec(
      [
        "tar",
        "--zstd",
        "-xpf",
        copy,
        "-C",
        stage,
        "--exclude=./dev/*",
        "--numeric-owner",
        "--same-owner",
        "--xattrs",
        "--xattrs-include=*",
      ],
      { timeout: UNPACK_TIMEOUT_MS },
    );
    if (tar.code !== 0) throw broken(digest, tar.stderr.trim().split("\n").slice(-3).join("\n"));
    renameSync(stage, target);
  } finally {
    closeSync(fd);
    rmSync(copy, { force: true });
    if (existsSync(stage)) await root.privilege.execOk(["rm", "-rf", stage]);
  }
}

export function listImages(root: HelperRoot): string[] {
  return readdirSync(join(root.storage, "images")).filter((name) => /^[0-9a-f]{64}$/.test(name));
}

/** Left over from an unpacking that a kill cut off. */
export async function sweepImages(root: HelperRoot): Promise<void> {
  const dir = join(root.storage, "images");
  for (const name of readdirSync(dir)) {
    if (name.startsWith(".unpacking-")) await root.privilege.execOk(["rm", "-rf", join(dir, name)]);
  }
}

export async function removeImage(root: HelperRoot, digest: string): Promise<boolean> {
  const dir = root.check(root.imageDir(digest));
  if (!existsSync(dir)) return false;
  const gone = join(root.storage, "images", `.unpacking-${digest.slice(0, 12)}-removed`);
  renameSync(dir, gone);
  await root.privilege.execOk(["rm", "-rf", gone]);
  return true;
}

/** Whether a program is in the image, without following a link out of it. */
export function imageHas(root: HelperRoot, digest: string, path: string): boolean {
  try {
    return lstatSync(join(root.imageDir(digest), path)).isFile();
  } catch {
    return false;
  }
}
