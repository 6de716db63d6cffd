/**
 * The release this hub belongs to, as machines that join fetch it: the installer, the programs for both architectures
 * and their list. An installed hub hands on the list with the release's signature; one built from a checkout has
 * neither and lists what it has: there the pinned TLS key is what a machine trusts.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import installer from "../../../install.sh" with { type: "text" };
import { CodedError } from "../../core/errors.ts";

const PROGRAMS = ["cocalc-project-host", "rustic"] as const;
const ARCHES = ["x64", "arm64"] as const;

export type ReleaseFile = { text: string } | { path: string; sha256: string };

/** Fills in one of the empty settings at the top of install.sh. A value comes in single quotes, so it holds none. */
export function fillIn(script: string, name: "PIN" | "RELEASE_URL" | "RELEASE_KEY", value: string): string {
  if (/['\n]/.test(value)) throw new Error(`${name} cannot hold a quote or a line break`);
  const filled = script.replace(new RegExp(`^${name}=''$`, "m"), () => `${name}='${value}'`);
  if (filled === script && value !== "") throw new Error(`install.sh has no empty ${name}`);
  return filled;
}

export function createRelease(dir: string, version: string, arch: string = process.arch) {
  const hashes = new Map<string, Promise<string>>();
  /** Made once for each state of a file: the programs have 100 MB. */
  function sha256(path: string): Promise<string> {
    const { mtimeMs, size } = statSync(path);
    const key = `${path} ${mtimeMs} ${size}`;
    let known = hashes.get(key);
    if (!known) {
      known = (async () => {
        const hash = createHash("sha256");
        for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
        return hash.digest("hex");
      })();
      hashes.set(key, known);
    }
    return known;
  }
  const read = (name: string) => {
    const path = join(dir, name);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  };
  /** Beside our own program: plainly named for this architecture, `-linux-<arch>` for the other. */
  function program(name: string, of: string): string | undefined {
    const places = [...(of === arch ? [name] : []), `${name}-linux-${of}`];
    return places.map((one) => join(dir, one)).find((path) => existsSync(path));
  }
  const signed = () => existsSync(join(dir, "SHA256SUMS.sig"));

  async function list(): Promise<string> {
    if (signed()) return read("SHA256SUMS") ?? "";
    const lines: string[] = [];
    for (const name of PROGRAMS)
      for (const of of ARCHES) {
        const path = program(name, of);
        if (path !== undefined) lines.push(`${await sha256(path)}  ${name}-linux-${of}`);
      }
    for (const [name, text] of Object.entries(texts())) {
      lines.push(`${createHash("sha256").update(text).digest("hex")}  ${name}`);
    }
    return `${lines.join("\n")}\n`;
  }
  /** As they are in a release, so that a signed list names them rightly. */
  const texts = () => ({
    VERSION: read("VERSION") ?? `${version}\n`,
    "install.sh": read("install.sh") ?? installer,
  });

  return {
    /** The installer as this hub gives it out: it trusts the hub's TLS key, and the release's key if there is one. */
    script: (tlsPin: string): string =>
      fillIn(fillIn(installer, "PIN", tlsPin), "RELEASE_KEY", read("release-key")?.trim() ?? ""),
    /** Errors: `artifact.missing`. */
    async file(name: string): Promise<ReleaseFile> {
      if (name === "SHA256SUMS") return { text: await list() };
      if (name === "SHA256SUMS.sig" && signed()) return { text: read(name) ?? "" };
      const text = Object.entries(texts()).find(([key]) => key === name)?.[1];
      if (text !== undefined) return { text };
      const [, base, of] = /^(cocalc-project-host|rustic)-linux-(x64|arm64)$/.exec(name) ?? [];
      const path = base && of ? program(base, of) : undefined;
      if (path !== undefined) return { path, sha256: await sha256(path) };
      throw new CodedError({
        code: "artifact.missing",
        title: `This hub has no ${name}`,
        fix: "Install the hub from a release with programs for both architectures, or put the file beside the hub's own program.",
        status: 404,
      });
    },
  };
}
