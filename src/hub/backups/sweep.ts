/**
 * Looks through a repository's new files on the hub's disk: the name of each is the SHA-256 of its content, so a damaged
 * or planted one is found without a password. A bad index or snapshot, which would stop everybody's backups and
 * restores, is put aside; a short pack is what an interrupted upload leaves, and goes with the next prune.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { sha256OfFile } from "./look.ts";
import { OWNER } from "./owner.ts";

/** A file that grows is being written; one that has been still for so long is not. */
export const STILL_MS = { small: 2 * 60_000, pack: 10 * 60_000 };
export const NAME = /^[0-9a-f]{64}$/;
/** Of small files: a bad one stops everybody. */
export const FOLDERS = ["index", "snapshots", "keys"] as const;
/** What the write check leaves for a moment. */
const PROBE = /^probe-[0-9a-f]{32}$/;

export interface Finding {
  /** Below the repository. */
  name: string;
  problem: string;
  quarantined: boolean;
}
export interface SweepResult {
  /** Names that were looked at and are good, or known to be bad. */
  seen: { name: string; problem: string | null }[];
  findings: Finding[];
}

/** `known`: names that need no look. `quarantine`: a folder on the same file system, outside of the repository. */
export async function sweep(options: {
  location: string;
  quarantine: string;
  known: ReadonlySet<string>;
  now: number;
  still?: typeof STILL_MS;
}): Promise<SweepResult> {
  const { location, known, now } = options;
  const still = options.still ?? STILL_MS;
  const result: SweepResult = { seen: [], findings: [] };
  const aside = (name: string, problem: string) => {
    mkdirSync(options.quarantine, { recursive: true, mode: 0o700 });
    renameSync(
      join(location, name),
      join(
        options.quarantine,
        `${name.replaceAll("/", "-")}.${new Date(now).toISOString().replaceAll(":", "")}`,
      ),
    );
    result.findings.push({ name, problem, quarantined: true });
  };
  const look = async (folder: string, file: string, kind: "index" | "snapshots" | "keys" | "data") => {
    const name = `${folder}/${file}`;
    if (known.has(name)) return;
    const path = join(location, name);
    let stat: ReturnType<typeof lstatSync>;
    try {
      stat = lstatSync(path);
    } catch {
      return; // pruned this moment
    }
    const small = kind !== "data";
    // Of a time that has not come: written while the clock was ahead.
    if (Math.abs(now - stat.mtimeMs) < (small ? still.small : still.pack)) return;
    if (!NAME.test(file) || !stat.isFile()) {
      aside(name, "no file that belongs in a repository");
      return;
    }
    // A host can make a file that the hub cannot read, or one with a setuid bit: neither is how it is read.
    if ((stat.mode & 0o7777) !== 0o444) chmodSync(path, 0o444);
    const problem =
      (await sha256OfFile(path)) === file
        ? null
        : `its content is not what its name says (${stat.size} bytes)`;
    if (problem !== null && small) {
      aside(name, problem);
      return;
    }
    if (problem !== null) result.findings.push({ name, problem, quarantined: false });
    result.seen.push({ name, problem });
  };
  for (const kind of FOLDERS) {
    for (const file of readdirSync(join(location, kind))) await look(kind, file, kind);
  }
  for (const two of readdirSync(join(location, "data"))) {
    const folder = `data/${two}`;
    if (!statSync(join(location, folder)).isDirectory()) await look("data", two, "data");
    else for (const file of readdirSync(join(location, folder))) await look(folder, file, "data");
  }
  for (const name of readdirSync(location)) {
    if (["config", "index", "snapshots", "keys", "data", "locks"].includes(name) || PROBE.test(name))
      continue;
    // The hub's own mark, and one that is just being written.
    if (name === OWNER || name.startsWith(`${OWNER}.tmp-`)) continue;
    if (existsSync(join(location, name))) aside(basename(name), "no file that belongs in a repository");
  }
  return result;
}
