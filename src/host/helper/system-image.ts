/**
 * The image `system`: the machine's own programs. Nothing is made or fetched but a skeleton (etc, the package database,
 * empty directories), kept as any other image by a digest, which here is the fingerprint of the installed packages.
 * A project's root is two overlays: over the skeleton, and over a read-only view of the machine's own /usr, in which
 * what only root may read is masked.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { CodedError, EX, type ProblemDetails } from "../../core/errors.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import { distribution, readOwnSources } from "../images/apt-sources.ts";
import { unmountAll } from "./mounts.ts";
import { mountIdmapped } from "./native.ts";
import { mountOverlay } from "./overlay.ts";
import type { HelperRoot } from "./root.ts";
import skeleton from "./system-skeleton.sh" with { type: "text" };
import { RANGE } from "./uid-ranges.ts";

const USR = "/usr";
const STATUS = "/var/lib/dpkg/status";
/** The package database on a slow disk. */
const MAKE_TIMEOUT_MS = 120_000;
/** A walk through all of /usr, read from a slow disk. */
const WALK_TIMEOUT_MS = 120_000;

/** `storage/images/<fingerprint>.system.json` */
const markerSchema = z.object({
  /** Below /usr, relative: what others may not read. */
  hidden: z.array(z.string()),
  packages: z.number().int(),
});

/** What is mounted for one project. */
export interface SystemPlaces {
  digest: string;
  /** First id of its range. */
  base: number;
  lower: string;
  upper: string;
  work: string;
  merged: string;
}

/** “package version architecture” of what is installed, from dpkg's status file, in order. */
export function installedPackages(status: string): string[] {
  return status
    .split("\n\n")
    .flatMap((stanza) => {
      if (!/^Status: .* installed$/m.test(stanza)) return [];
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
      return `${field("Package")} ${field("Version")} ${field("Architecture")}`;
    })
    .sort();
}

/** SHA-256, hex: another release or processor, or one package more, less or newer, is another fingerprint. */
export function fingerprintOf(osRelease: string, arch: string, packages: string[]): string {
  return createHash("sha256")
    .update([osRelease, arch, ...packages].join("\n"))
    .digest("hex");
}

/** Names and passwords in a source's address are the admin's own. */
export function withoutCredentials(sources: string): string {
  return sources.replaceAll(/(https?:\/\/)[^/@\s]+@/g, "$1");
}

function problem(code: string, title: string, why: string, fix: string): ProblemDetails {
  return { code: `image.system-${code}`, title, why, fix, status: 409, exit: EX.UNAVAILABLE };
}

export class SystemImage {
  readonly #root: HelperRoot;
  #seen: { stamp: string; digest: string; packages: number } | undefined;

  constructor(root: HelperRoot) {
    this.#root = root;
  }

  /** Why this machine cannot offer it, or null. */
  problem(): ProblemDetails | null {
    if (process.getuid?.() !== 0)
      return problem(
        "needs-root",
        "The image system needs the helper as root",
        "A view of the machine's /usr with a project's own ids can be mounted by root alone.",
        "Install the machine with install.sh, or take another image.",
      );
    if (!existsSync(STATUS))
      return problem(
        "no-packages",
        "The image system needs a machine with dpkg",
        `There is no ${STATUS}, by which a change of the machine's programs is known.`,
        "Take another image on this machine.",
      );
    if (!lstatSync("/bin").isSymbolicLink())
      return problem(
        "not-merged",
        "The image system needs a machine whose programs are all below /usr",
        "/bin is a directory of its own here.",
        "Install the package usrmerge, or take another image.",
      );
    return null;
  }

  #assertOffered(): void {
    const found = this.problem();
    if (found !== null) throw new CodedError(found);
  }

  #look(): { digest: string; packages: number } {
    const { mtimeMs, size, ino } = statSync(STATUS);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (this.#seen?.stamp !== stamp) {
      const packages = installedPackages(readFileSync(STATUS, "utf8"));
      const digest = fingerprintOf(readFileSync("/etc/os-release", "utf8"), process.arch, packages);
      this.#seen = { stamp, digest, packages: packages.length };
    }
    return this.#seen;
  }

  /** Of the machine as it is now. Errors: `image.system-…`, why it is not offered here. */
  fingerprint(): string {
    this.#assertOffered();
    return this.#look().digest;
  }

  #marker(digest: string): string {
    return join(this.#root.storage, "images", `${digest}.system.json`);
  }

  /** Whether this digest is a fingerprint whose skeleton was made here. */
  is(digest: string): boolean {
    return existsSync(this.#marker(digest));
  }

  forget(digest: string): void {
    rmSync(this.#marker(digest), { force: true });
  }

  /** Makes the skeleton for the machine as it is now, if there is none; its fingerprint. */
  async make(): Promise<string> {
    this.#assertOffered();
    const { digest, packages } = this.#look();
    const target = this.#root.check(this.#root.imageDir(digest));
    if (existsSync(target)) return digest;
    const { privilege, storage } = this.#root;
    const stage = join(storage, "images", `.unpacking-system-${digest.slice(0, 12)}`);
    await privilege.execOk(["rm", "-rf", stage]);
    mkdirSync(stage, { mode: 0o755 });
    try {
      await privilege.execOk(["sh", "-s", "--", stage], { stdin: skeleton, timeout: MAKE_TIMEOUT_MS });
      writeSources(stage);
      const hidden = await this.#unreadable([USR, "-xdev", "-path", `${USR}/local`, "-prune", "-o"]);
      writeStateFile(this.#marker(digest), { hidden, packages });
      renameSync(stage, target);
    } finally {
      if (existsSync(stage)) await privilege.execOk(["rm", "-rf", stage]);
    }
    return digest;
  }

  /**
   * Below /usr, relative: what others may not read, since root in a project can read whatever has an owner there. A
   * program that others may only run stays.
   */
  async #unreadable(where: string[]): Promise<string[]> {
    const found = await this.#root.privilege.execOk(
      [
        "find",
        ...where,
        ...["(", "-type", "d", "!", "-perm", "-o=rx", "-print0", "-prune", ")", "-o"],
        ...["!", "-type", "d", "!", "-type", "l", "!", "-perm", "/o=rx", "-print0"],
      ],
      { timeout: WALK_TIMEOUT_MS },
    );
    return found
      .split("\0")
      .filter(Boolean)
      .map((path) => path.slice(USR.length + 1));
  }

  /** A layer above the view of /usr, in which what is hidden has a whiteout. */
  #mask(dir: string, base: number, hidden: string[]): void {
    const shifted = (path: string, of: string) => {
      const { uid, gid, mode } = lstatSync(of);
      chownSync(path, base + Math.min(uid, RANGE - 1), base + Math.min(gid, RANGE - 1));
      chmodSync(path, mode & 0o7777);
    };
    const layer = (relative: string): boolean => {
      const [path, of] = [join(dir, relative), join(USR, relative)];
      if (existsSync(path)) return lstatSync(path).isDirectory();
      if (relative !== "" && !layer(dirname(relative) === "." ? "" : dirname(relative))) return false;
      // What was found a while ago may be gone, or be something else.
      if (!lstatSync(of, { throwIfNoEntry: false })?.isDirectory()) return false;
      mkdirSync(path, { mode: 0o700 });
      shifted(path, of);
      return true;
    };
    const whiteout = `${dir}.whiteout`;
    layer("");
    for (const relative of hidden) {
      const above = dirname(relative);
      if (layer(above === "." ? "" : above) && !existsSync(join(dir, relative)))
        linkSync(whiteout, join(dir, relative));
    }
  }

  /** Errors: `image.system-changed` when the machine's programs are others than those of `digest`. */
  async mount({ digest, base, lower, upper, work, merged }: SystemPlaces): Promise<void> {
    if (this.fingerprint() !== digest) {
      throw new CodedError({
        code: "image.system-changed",
        title: "The programs of this machine changed just now",
        why: "Packages are being installed or upgraded on it.",
        fix: "Start the project again.",
        status: 409,
        exit: EX.TEMPFAIL,
      });
    }
    const { privilege } = this.#root;
    const marker = readStateFile(this.#marker(digest), (value) => markerSchema.parse(value));
    // An admin's own programs come and go without a package: looked at each time.
    const local = existsSync(join(USR, "local")) ? await this.#unreadable([join(USR, "local"), "-xdev"]) : [];
    await unmountAll(privilege, lower);
    mkdirSync(lower, { recursive: true, mode: 0o711 });
    // In memory, so that unmounting takes all of it away.
    await privilege.execOk([
      "mount",
      "--no-mtab",
      "-t",
      "tmpfs",
      "-o",
      "mode=0711,size=16m",
      "cocalc-system",
      lower,
    ]);
    const at = (name: string) => join(lower, name);
    await privilege.execOk(["mknod", "-m", "0", `${at("mask")}.whiteout`, "c", "0", "0"]);
    this.#mask(at("mask"), base, [...(marker?.hidden ?? []), ...local]);
    await mountIdmapped(this.#root.imageDir(digest), at("root"), base, RANGE);
    await mountIdmapped(USR, at("usr"), base, RANGE);
    for (const dir of [upper, work]) for (const part of ["root", "usr"]) ownPart(join(dir, part), base);
    mkdirSync(merged, { recursive: true, mode: 0o711 });
    await mountOverlay(privilege, {
      lower: at("root"),
      upper: join(upper, "root"),
      work: join(work, "root"),
      merged,
    });
    await mountOverlay(privilege, {
      lower: `${at("mask")}:${at("usr")}`,
      upper: join(upper, "usr"),
      work: join(work, "usr"),
      merged: join(merged, "usr"),
    });
  }
}

/** One overlay's part of what a project changed. A restored one is the project's own work: no link is followed. */
function ownPart(path: string, base: number): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return;
  if (stat !== undefined) {
    throw new CodedError({
      code: "helper.unsafe-path",
      title: `The helper will not touch ${path}`,
      why: "It is no directory.",
      fix: "Restore the project from another backup.",
      exit: EX.NOPERM,
    });
  }
  mkdirSync(path, { mode: 0o755 });
  chownSync(path, base, base);
}

/** The distribution's own, as `base` has them; a machine of another kind gets none. */
function writeSources(stage: string): void {
  let own: { list: string; sources: string };
  try {
    own = readOwnSources(distribution(readFileSync("/etc/os-release", "utf8")).codename);
  } catch (error) {
    if (error instanceof CodedError) return;
    throw error;
  }
  const apt = join(stage, "etc/apt");
  writeFileSync(join(apt, "sources.list"), withoutCredentials(own.list), { mode: 0o644 });
  mkdirSync(join(apt, "sources.list.d"), { recursive: true });
  writeFileSync(join(apt, "sources.list.d/own.sources"), withoutCredentials(own.sources), { mode: 0o644 });
}
