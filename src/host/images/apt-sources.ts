/**
 * The distribution's own package sources of this machine, for making the base image. Third parties' stay out: a
 * project's root must not depend on what else the admin installed, nor carry their credentials.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";

export interface Distribution {
  id: string;
  codename: string;
}

/** From /etc/os-release. `image.unsupported-distribution` where mmdebstrap could not make a root of the same kind. */
export function distribution(osRelease: string): Distribution {
  const fields = new Map<string, string>();
  for (const line of osRelease.split("\n")) {
    const match = /^([A-Z_]+)="?([^"]*)"?$/.exec(line.trim());
    if (match) fields.set(match[1] ?? "", match[2] ?? "");
  }
  const id = fields.get("ID") ?? "";
  const codename = fields.get("VERSION_CODENAME") ?? "";
  if ((id === "debian" || id === "ubuntu") && /^[a-z]+$/.test(codename)) return { id, codename };
  throw new CodedError({
    code: "image.unsupported-distribution",
    title: "The base image can be made on Debian and Ubuntu only",
    why: `/etc/os-release says “${id || "nothing"}” ${codename}`.trim(),
    fix: "Make it on a Debian or Ubuntu machine and copy base.json and the .tar.zst to the hub's images directory.",
    exit: EX.UNAVAILABLE,
  });
}

/** Keeps the entries whose suite is the release itself, its updates, or its security updates. */
export function ownEntries(text: string, kind: "list" | "sources", codename: string): string[] {
  const own = new RegExp(`^${codename}(-updates|-security|/updates)?$`);
  if (kind === "list") {
    return text
      .split("\n")
      .filter((line) => /^deb\s/.test(line))
      .filter((line) => own.test(line.replace(/\[[^\]]*\]/, "").split(/\s+/)[2] ?? ""));
  }
  return text
    .split(/\n\s*\n/)
    .map((stanza) => stanza.replaceAll(/^#.*\n?/gm, "").trim())
    .filter((stanza) => /^Types:.*\bdeb\b/m.test(stanza) && !/^Enabled:\s*no/im.test(stanza))
    .filter((stanza) =>
      (/^Suites:(.*)$/m.exec(stanza)?.[1] ?? "")
        .trim()
        .split(/\s+/)
        .some((s) => own.test(s)),
    );
}

/** Two texts: one-line entries and deb822 stanzas, either may be empty. */
export function readOwnSources(codename: string, etc = "/etc/apt"): { list: string; sources: string } {
  const list: string[] = [];
  const sources: string[] = [];
  const files = existsSync(join(etc, "sources.list")) ? [join(etc, "sources.list")] : [];
  const dir = join(etc, "sources.list.d");
  if (existsSync(dir)) for (const name of readdirSync(dir).sort()) files.push(join(dir, name));
  for (const file of files) {
    if (file.endsWith(".list")) list.push(...ownEntries(readFileSync(file, "utf8"), "list", codename));
    else if (file.endsWith(".sources"))
      sources.push(...ownEntries(readFileSync(file, "utf8"), "sources", codename));
  }
  if (list.length + sources.length === 0) {
    throw new CodedError({
      code: "image.no-sources",
      title: `No package source of ${codename} was found below ${etc}`,
      fix: "Restore the distribution's entries in /etc/apt, then try again.",
      exit: EX.UNAVAILABLE,
    });
  }
  return {
    list: list.length === 0 ? "" : `${list.join("\n")}\n`,
    sources: sources.length === 0 ? "" : `${sources.join("\n\n")}\n`,
  };
}
