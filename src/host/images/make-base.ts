/** Makes the `base` image: a small root of this machine's own distribution, named by the sha256 of its tar.zst. */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import script from "../../../scripts/base-image.sh" with { type: "text" };
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv, exec } from "../../core/exec.ts";
import { readStateFile, writeFileAtomic } from "../../core/state-file.ts";
import { distribution, readOwnSources } from "./apt-sources.ts";
import { writeManifest } from "./manifest.ts";

/** mmdebstrap over a slow mirror. */
const MAKE_TIMEOUT_MS = 20 * 60_000;

/** `base.json` in the hub's images directory. `digest` is the sha256 (hex) of `<digest>.tar.zst`. */
export const baseImageSchema = z.object({
  image: z.string(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int(),
  created: z.string(),
});
export type BaseImage = z.infer<typeof baseImageSchema>;

/** sha256 of a file, in hex. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
    hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** The machine's proxies and apt's validity switches; everything else of its apt configuration stays out. */
async function aptOptions(): Promise<string[]> {
  const dump = await exec(["apt-config", "dump", "Acquire"]);
  if (dump.code !== 0) return [];
  const wanted = /^Acquire::(https?::Proxy(::[^ ]+)?|Check-Valid-Until|Check-Date) "[^"\n]*";$/;
  return dump.stdout.split("\n").filter((line) => wanted.test(line));
}

function need(program: string, pkg: string): void {
  if (Bun.which(program, { PATH: cleanEnv().PATH ?? "" }) !== null) return;
  throw new CodedError({
    code: "image.missing-program",
    title: `${program} is not installed`,
    why: "The base image is made with it.",
    fix: `Install the package ${pkg}.`,
    command: `sudo apt-get install -y ${pkg}`,
    exit: EX.UNAVAILABLE,
  });
}

/** What was being made when a machine lost its power; nobody works on one for longer than the timeout. */
function removeLeftovers(dir: string): void {
  for (const name of readdirSync(dir).filter((one) => one.startsWith(".making-"))) {
    const path = join(dir, name);
    if (Date.now() - statSync(path).mtimeMs > 2 * MAKE_TIMEOUT_MS)
      rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Makes the image in `dir` and returns its record; an image that is there already is returned as it is, unless `force`.
 * `progress` gets mmdebstrap's lines. Errors: `image.missing-program`, `image.unsupported-distribution`,
 * `image.no-sources`, `image.make-failed`.
 */
export async function makeBaseImage(
  dir: string,
  progress: (line: string) => void,
  options: { force?: boolean; signal?: AbortSignal } = {},
): Promise<BaseImage> {
  mkdirSync(dir, { recursive: true });
  const record = join(dir, "base.json");
  const found = readStateFile(record, (value) => baseImageSchema.parse(value));
  if (found !== undefined && options.force !== true && existsSync(join(dir, `${found.digest}.tar.zst`)))
    return found;
  need("mmdebstrap", "mmdebstrap");
  need("zstd", "zstd");
  const { codename } = distribution(readFileSync("/etc/os-release", "utf8"));
  const own = readOwnSources(codename);
  removeLeftovers(dir);
  const temp = mkdtempSync(join(dir, ".making-"));
  try {
    const sources: string[] = [];
    for (const [name, text] of [
      ["own.list", own.list],
      ["own.sources", own.sources],
    ] as const) {
      if (text === "") continue;
      const path = join(temp, name);
      writeFileAtomic(path, text, 0o644);
      sources.push(path);
    }
    const aptConf = join(temp, "apt.conf");
    writeFileAtomic(aptConf, `${(await aptOptions()).join("\n")}\n`, 0o644);
    const root = process.getuid?.() === 0;
    const path = join(temp, "base-image.sh");
    writeFileAtomic(path, script, 0o644);
    const archive = join(temp, "root.tar.zst");
    const started = performance.now();
    const proc = Bun.spawn(["sh", path, archive, root ? "root" : "unshare", codename, aptConf, ...sources], {
      cwd: "/",
      // Without root mmdebstrap works as ids that may not pass through this user's private directories.
      env: cleanEnv(root ? {} : { TMPDIR: "/var/tmp" }),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      timeout: MAKE_TIMEOUT_MS,
    });
    options.signal?.addEventListener("abort", () => proc.kill("SIGTERM"), { once: true });
    const last: string[] = [];
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of proc.stderr) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/[\r\n]+/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.trim() === "") continue;
        last.push(line);
        if (last.length > 12) last.shift();
        if (line.startsWith("I: ")) progress(line.slice(3));
      }
    }
    const code = await proc.exited;
    if (code !== 0) {
      throw new CodedError({
        code: "image.make-failed",
        title: `mmdebstrap ended with status ${code}`,
        why: last.join("\n"),
        fix: root
          ? "Check that this machine reaches its package mirror: apt-get update."
          : "Check that this machine reaches its package mirror, and that this user has ranges in /etc/subuid and /etc/subgid.",
        exit: EX.UNAVAILABLE,
      });
    }
    const digest = await sha256File(archive);
    const bytes = statSync(archive).size;
    renameSync(archive, join(dir, `${digest}.tar.zst`));
    const base: BaseImage = { image: "base", digest, bytes, created: new Date().toISOString() };
    writeManifest(dir, "base", base);
    progress(
      `made ${digest.slice(0, 12)} (${Math.round(bytes / 1e6)} MB) in ${Math.round((performance.now() - started) / 1000)} s`,
    );
    return base;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}
