/**
 * Makes an image of what somebody else made: any reference that podman can pull, or a tarball of a root file system. Kept
 * as `base` is: `<sha256>.tar.zst` beside `<name>.json`. Nothing of it is run here.
 */
import {
  appendFileSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { type BaseImage, sha256File } from "./make-base.ts";
import { writeManifest } from "./manifest.ts";

/** Gigabytes over a slow line. */
const PULL_TIMEOUT_MS = 60 * 60_000;
const PACK_TIMEOUT_MS = 30 * 60_000;
const USER = 1000;

export interface ImportedImage extends BaseImage {
  /** What `upgrade` takes again. */
  source: ImageSource;
}
export type ImageSource = { oci: string } | { tar: string };

function failed(code: string, title: string, why: string, fix: string): CodedError {
  return new CodedError({
    code: `image.${code}`,
    title,
    why: why.trim().split("\n").slice(-5).join("\n"),
    fix,
    exit: EX.UNAVAILABLE,
  });
}

async function run(argv: string[], timeout: number, fix: string): Promise<string> {
  const { code, stdout, stderr } = await exec(argv, { timeout });
  if (code === 0) return stdout.trim();
  throw failed("import-failed", `${argv[0]} ended with status ${code}`, stderr || stdout, fix);
}

/** A store of its own, so that nothing of the machine's images is touched and nothing is left. */
async function pull(temp: string, ref: string): Promise<string> {
  const store = [
    "podman",
    "--root",
    join(temp, "store"),
    "--runroot",
    join(temp, "run"),
    "--storage-driver",
    "vfs",
  ];
  const reach = "Check the reference, and that this machine reaches its registry: podman pull.";
  try {
    const id =
      (await run([...store, "pull", "--quiet", ref], PULL_TIMEOUT_MS, reach)).split("\n").at(-1) ?? "";
    // Looked at as it is: a container made of it would add mount points and times of its own.
    const root = await run([...store, "image", "mount", id], PULL_TIMEOUT_MS, reach);
    const tar = join(temp, "root.tar");
    await run(
      ["tar", "-cf", tar, "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "."],
      PACK_TIMEOUT_MS,
      "See whether the disk is full.",
    );
    return tar;
  } finally {
    await exec([...store, "system", "reset", "--force"], { timeout: PACK_TIMEOUT_MS });
  }
}

const LOADERS = {
  x64: ["lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-x86-64.so.2"],
  arm64: ["lib/ld-linux-aarch64.so.1", "usr/lib/ld-linux-aarch64.so.1"],
} as const;

const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** The agent needs glibc of this machine's kind, a terminal needs a shell. */
export function assertUsable(tree: string): void {
  const loaders = LOADERS[process.arch === "arm64" ? "arm64" : "x64"];
  const shell = ["bin/sh", "usr/bin/sh"].some((path) => isThere(join(tree, path)));
  const glibc = loaders.some((path) => isThere(join(tree, path)));
  if (shell && glibc) return;
  throw failed(
    "unusable",
    shell ? "The image has no glibc" : "The image has no shell",
    shell
      ? `None of ${loaders.join(", ")} is in it: it is made with musl, or for another processor.`
      : "There is no /bin/sh in it.",
    "Take one that is made from Debian, Ubuntu, Fedora or their like, for this processor.",
  );
}

/** Appends to a file of the tree; what is no plain file there (a link out of the tree) is left alone. */
function append(tree: string, name: string, test: RegExp, line: string): void {
  if (!lstatSync(join(tree, "etc"), { throwIfNoEntry: false })?.isDirectory()) return;
  const path = join(tree, "etc", name);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return;
  const text = readFileSync(path, "utf8");
  if (test.test(text)) return;
  appendFileSync(path, `${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`);
  // The same source is the same image, whenever it is taken.
  utimesSync(path, stat.atime, stat.mtime);
}

/** Programs ask for the name of the user they run as: 1000 gets one, where the image gives it none. */
function ensureUser(tree: string): void {
  append(tree, "passwd", /^[^:]*:[^:]*:1000:/m, `user:x:${USER}:${USER}::/home/user:/bin/sh`);
  append(tree, "group", /^[^:]*:[^:]*:1000:/m, `user:x:${USER}:`);
  const homes = join(tree, "home");
  if (!isThere(homes)) mkdirSync(homes, { mode: 0o755 });
  const home = join(homes, "user");
  const fresh = lstatSync(homes).isDirectory() && !isThere(home);
  if (fresh) {
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, USER, USER);
  }
  // What was made here has a time of the image's own.
  const etc = lstatSync(join(tree, "etc"), { throwIfNoEntry: false });
  for (const path of [...(fresh ? [home, homes] : []), tree])
    if (etc !== undefined) utimesSync(path, etc.mtime, etc.mtime);
}

/** `dir` is the hub's images directory. Errors: `image.needs-root`, `image.import-failed`, `image.unusable`. */
export async function importImage(
  dir: string,
  name: string,
  source: ImageSource,
  progress: (line: string) => void,
): Promise<ImportedImage> {
  if (process.getuid?.() !== 0) {
    throw failed(
      "needs-root",
      "Importing an image needs root",
      "Its files belong to many ids.",
      "Say it with sudo.",
    );
  }
  mkdirSync(dir, { recursive: true });
  const owner = statSync(dir);
  const temp = mkdtempSync(join(dir, ".making-"));
  try {
    if ("oci" in source) progress(`pulling ${source.oci}`);
    const tar = "oci" in source ? await pull(temp, source.oci) : source.tar;
    const tree = join(temp, "tree");
    mkdirSync(tree, { mode: 0o755 });
    progress("unpacking");
    await run(
      [
        "tar",
        "-xpf",
        tar,
        "-C",
        tree,
        "--numeric-owner",
        "--same-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--exclude=./dev/*",
        "--exclude=dev/*",
      ],
      PACK_TIMEOUT_MS,
      "It must be a tar of a whole root file system, plain or compressed.",
    );
    assertUsable(tree);
    ensureUser(tree);
    progress("packing");
    const archive = join(temp, "root.tar.zst");
    await run(
      [
        "tar",
        "--zstd",
        "-cf",
        archive,
        "-C",
        tree,
        "--sort=name",
        // With xattrs the format is pax, which would also keep when a file was read and tar's own process id.
        "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        ".",
      ],
      PACK_TIMEOUT_MS,
      "See whether the disk is full.",
    );
    const digest = await sha256File(archive);
    const { size: bytes } = statSync(archive);
    const target = join(dir, `${digest}.tar.zst`);
    if (!existsSync(target)) renameSync(archive, target);
    const image: ImportedImage = { image: name, digest, bytes, created: new Date().toISOString(), source };
    // The archive of before stays: projects that began with it are moved and restored with it.
    writeManifest(dir, name, image);
    for (const path of [target, join(dir, `${name}.json`)]) chownSync(path, owner.uid, owner.gid);
    return image;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}
