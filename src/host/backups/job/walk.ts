/**
 * What is in a tree, found without rustic: the proof of a backup compares the two. By find(1), whose names are raw
 * bytes and which does not hold up a large tree. All paths are bytes; as text they are latin1 here, never shown so.
 */
import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, constants, lstatSync, openSync, readlinkSync, readSync } from "node:fs";
import type { Manifest, ManifestEntry } from "../../../contract/backup-job.ts";
import { CodedError, EX, errnoOf } from "../../../core/errors.ts";
import { cleanEnv } from "../../../core/exec.ts";
import { xattrsOf } from "./xattrs.ts";

/** type, inode, mode, uid, gid, size, time; then path and link target, each ended by NUL. */
const FORMAT = "%y %i %m %U %G %s %T@\\0%P\\0%l\\0";
/** First inode of a btrfs subvolume is 256; where a snapshot leaves one out stands an empty directory with this one. */
const LEFT_OUT_INODE = "2";
const SAMPLE = { f: 80, d: 20, l: 10, other: 10 } as const;
/** Contents of a larger file are not part of the sample. */
const SAMPLE_FILE_BYTES = 16 * 2 ** 20;
const SAMPLE_TOTAL_BYTES = 96 * 2 ** 20;
const BLOCK = 256 * 1024;

export interface Walk {
  manifest: Manifest;
  /** Directories that stand for a nested subvolume. */
  nested: string[];
  /** Path → what changes when the file does; asked for only where the tree is alive. */
  signatures: Map<string, string> | undefined;
}

export const showPath = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");

/** One line's worth of {@link FORMAT}. Pure. */
export function parseEntry(facts: string, path: string, link: string) {
  const [type = "?", inode = "", mode = "", uid = "", gid = "", size = "", time = ""] = facts.split(" ");
  return { type, inode, mode, uid, gid, size, time, path, link };
}
type Entry = ReturnType<typeof parseEntry>;

/** What a restore must bring back, apart from contents. A directory's size and a link's time are its file system's. */
export function identity(entry: Entry): string {
  const plain = entry.type === "f";
  return [
    entry.path,
    entry.type,
    entry.type === "l" ? "" : entry.mode,
    entry.uid,
    entry.gid,
    plain ? entry.size : "",
    plain || entry.type === "d" ? entry.time : "",
    entry.link,
  ].join("\0");
}

async function* entriesOf(root: string): AsyncGenerator<Entry> {
  const proc = Bun.spawn(["find", ".", "-mindepth", "1", "-printf", FORMAT], {
    cwd: root,
    env: cleanEnv({ LC_ALL: "C" }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = new Response(proc.stderr).text();
  let rest: Buffer = Buffer.alloc(0);
  let fields: string[] = [];
  for await (const chunk of proc.stdout) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let at = rest.indexOf(0); at >= 0; at = rest.indexOf(0, from)) {
      fields.push(rest.toString("latin1", from, at));
      from = at + 1;
      if (fields.length < 3) continue;
      const [facts = "", path = "", link = ""] = fields;
      fields = [];
      yield parseEntry(facts, path, link);
    }
    rest = rest.subarray(from);
  }
  const code = await proc.exited;
  const why = (await said).trim();
  // Files that go away while a living tree is walked are no failure of the walk.
  const real = why.split("\n").filter((line) => line !== "" && !line.includes("No such file or directory"));
  if (code !== 0 && real.length > 0) {
    throw new CodedError({
      code: "backup.walk-failed",
      title: "The project's files could not all be walked",
      why: real.slice(0, 5).join("\n"),
      fix: "See the host's disk and its helper's log.",
      exit: EX.IOERR,
    });
  }
}

/** Keeps `limit` of what it is shown, each with the same chance. */
class Reservoir<T> {
  readonly kept: T[] = [];
  #seen = 0;
  readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  offer(one: T): void {
    this.#seen += 1;
    if (this.kept.length < this.limit) this.kept.push(one);
    else {
      const at = Math.floor(Math.random() * this.#seen);
      if (at < this.limit) this.kept[at] = one;
    }
  }
}

/** Contents by hash; undefined where it cannot be read. */
function sha256(path: Buffer): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const hash = createHash("sha256");
    const block = Buffer.alloc(BLOCK);
    for (let n = readSync(fd, block, 0, BLOCK, null); n > 0; n = readSync(fd, block, 0, BLOCK, null))
      hash.update(block.subarray(0, n));
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/** All that is compared of one path, contents included; undefined where there is nothing. */
export function entryOf(root: string, latin1: string): ManifestEntry | undefined {
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(latin1, "latin1")]);
  let stat: BigIntStats;
  try {
    stat = lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
  const type = stat.isFile()
    ? "f"
    : stat.isDirectory()
      ? "d"
      : stat.isSymbolicLink()
        ? "l"
        : stat.isCharacterDevice()
          ? "c"
          : stat.isBlockDevice()
            ? "b"
            : stat.isFIFO()
              ? "p"
              : "s";
  const xattrs = xattrsOf(path);
  const hash = type === "f" && Number(stat.size) <= SAMPLE_FILE_BYTES ? sha256(path) : undefined;
  return {
    path: Buffer.from(latin1, "latin1").toString("base64"),
    type,
    mode: type === "l" ? 0 : Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === "f" ? Number(stat.size) : 0,
    mtime_ns: type === "f" || type === "d" ? String(stat.mtimeNs) : "",
    ...(hash === undefined ? {} : { sha256: hash }),
    ...(type === "l"
      ? { link: (readlinkSync(path, { encoding: "buffer" }) as Buffer).toString("base64") }
      : {}),
    ...(type === "c" || type === "b" ? { rdev: Number(stat.rdev) } : {}),
    ...(Object.keys(xattrs).length > 0 ? { xattrs } : {}),
  };
}

/** Walks all below `root` (which itself is not counted among the entries, but is one of the directories). */
export async function walkTree(
  root: string,
  options: { signatures?: boolean; sample?: boolean } = {},
): Promise<Walk> {
  const digest = Buffer.alloc(32);
  const counts = { files: 0, dirs: 1, bytes: 0 };
  const nested: string[] = [];
  const signatures = options.signatures === true ? new Map<string, string>() : undefined;
  const kept: Record<keyof typeof SAMPLE, Reservoir<string>> = {
    f: new Reservoir(SAMPLE.f),
    d: new Reservoir(SAMPLE.d),
    l: new Reservoir(SAMPLE.l),
    other: new Reservoir(SAMPLE.other),
  };
  for await (const entry of entriesOf(root)) {
    if (entry.type === "d") counts.dirs += 1;
    else counts.files += 1;
    if (entry.type === "f") counts.bytes += Number(entry.size);
    if (entry.type === "d" && entry.inode === LEFT_OUT_INODE) nested.push(entry.path);
    const text = identity(entry);
    // Order differs from one file system to the next: the sum of all hashes does not.
    const hash = createHash("sha256").update(text, "latin1").digest();
    for (let at = 0; at < digest.length; at++) digest[at] = (digest[at] ?? 0) ^ (hash[at] ?? 0);
    signatures?.set(entry.path, `${text}\0${entry.inode}`);
    if (options.sample !== false)
      kept[entry.type in SAMPLE ? (entry.type as "f" | "d" | "l") : "other"].offer(entry.path);
  }
  const sample: ManifestEntry[] = [];
  let hashed = 0;
  for (const path of [kept.other, kept.l, kept.d, kept.f].flatMap((one) => one.kept)) {
    if (hashed > SAMPLE_TOTAL_BYTES || path.length > 4_000) continue;
    let entry: ManifestEntry | undefined;
    try {
      entry = entryOf(root, path);
    } catch (error) {
      // What the disk does not give back is no sample; rustic, which reads all, names it.
      if (errnoOf(error) !== "EIO") throw error;
    }
    if (entry === undefined) continue;
    hashed += entry.size;
    sample.push(entry);
  }
  return {
    manifest: { ...counts, digest: digest.toString("hex"), sample },
    nested: nested.map(showPath),
    signatures,
  };
}

/** Paths whose signature differs, came or went. Pure. */
export function changedBetween(before: Map<string, string>, after: Map<string, string>): string[] {
  const changed: string[] = [];
  for (const [path, was] of before) if (after.get(path) !== was) changed.push(path);
  for (const path of after.keys()) if (!before.has(path)) changed.push(path);
  return changed.map(showPath);
}

/** A file system gives a file's attributes in any order. */
const canonical = (value: unknown): string =>
  JSON.stringify(
    typeof value === "object" && value !== null
      ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
      : value,
  ) ?? "";

/** Where what came back is not what was backed up, in words. */
export async function compareWith(
  root: string,
  wanted: Manifest,
): Promise<{ manifest: Manifest; differences: string[] }> {
  // Whose contents are looked at is known already.
  const { manifest } = await walkTree(root, { sample: false });
  const differences: string[] = [];
  if (manifest.files !== wanted.files || manifest.dirs !== wanted.dirs)
    differences.push(
      `${manifest.files} files and ${manifest.dirs} folders came back, ${wanted.files} and ${wanted.dirs} were backed up`,
    );
  for (const entry of wanted.sample) {
    const latin1 = Buffer.from(entry.path, "base64").toString("latin1");
    const now = entryOf(root, latin1);
    if (now === undefined) differences.push(`${showPath(latin1)}: not there`);
    else
      for (const key of [
        "type",
        "mode",
        "uid",
        "gid",
        "size",
        "mtime_ns",
        "sha256",
        "link",
        "rdev",
        "xattrs",
      ] as const)
        if (canonical(now[key]) !== canonical(entry[key]))
          differences.push(
            `${showPath(latin1)}: its ${key} is ${JSON.stringify(now[key])}, was ${JSON.stringify(entry[key])}`.slice(
              0,
              500,
            ),
          );
  }
  if (differences.length === 0 && manifest.digest !== wanted.digest)
    differences.push("names, modes, owners, sizes or times differ somewhere outside the sample");
  return { manifest, differences };
}
