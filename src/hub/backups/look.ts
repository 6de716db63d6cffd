/** Looking into a repository from the hub: is a snapshot there and whose, what is in it, one file of it. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { BackupEntry } from "../../contract/api-backups.ts";
import { whatItSaid } from "../../contract/repository-causes.ts";
import { s3Store } from "../../contract/s3-store.ts";
import { CodedError, EX } from "../../core/errors.ts";
import type { Seen } from "./prove.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

const snapshotSchema = z.object({ hostname: z.string() });

/** What the hub itself sees of a snapshot: its file, whole, and what is in it. */
export async function lookAt(
  repositories: Repositories,
  one: OpenRepository,
  snapshot: string,
): Promise<Seen> {
  const name = `snapshots/${snapshot}`;
  const hash = !(await repositories.has(one, name))
    ? undefined
    : one.where.kind === "s3"
      ? createHash("sha256")
          .update(await s3Store(one.where).read(name))
          .digest("hex")
      : await sha256OfFile(join(one.location, name));
  if (hash !== snapshot) return { whole: false, hostname: null };
  let result = await repositories.rustic(one, ["cat", "snapshot", snapshot]);
  // Once more: its own end (memory, somebody's kill) says nothing of the file, whose hash was right.
  if (result.code !== 0) result = await repositories.rustic(one, ["cat", "snapshot", snapshot]);
  if (result.code !== 0) return { whole: false, hostname: null };
  const parsed = snapshotSchema.safeParse(JSON.parse(result.stdout));
  return { whole: true, hostname: parsed.success ? parsed.data.hostname : null };
}

const TYPES: Record<string, BackupEntry["type"]> = { "-": "file", d: "dir", l: "link" };
const LINE =
  /^(\S)\S{9}\s+\S+\s+\S+\s+(\d+)\s+(\d{1,2} \w{3} \d{4} \d\d:\d\d)\s+"((?:[^"\\]|\\.)*)"\s*(?:-> (.*))?$/;

/** A name as Rust's `{:?}` writes it. Pure. */
export function unquote(text: string): string {
  return text.replaceAll(/\\(u\{([0-9a-f]+)\}|.)/g, (_, one: string, hex?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return { n: "\n", t: "\t", r: "\r", "0": "\0" }[one] ?? one;
  });
}

/** `rustic ls --long --numeric-uid-gid`. Pure. */
export function parseListing(text: string, folder: string): BackupEntry[] {
  return text.split("\n").flatMap((line): BackupEntry[] => {
    const found = LINE.exec(line);
    if (!found) return [];
    const [, type = "", size = "0", time = "", quoted = "", link] = found;
    const name = unquote(quoted);
    const at = new Date(`${time} UTC`);
    return [
      {
        name,
        path: folder === "" ? name : `${folder}/${name}`,
        type: TYPES[type] ?? "other",
        size: Number(size),
        modified_at: Number.isNaN(at.getTime()) ? null : at.toISOString(),
        link: link?.trim() ?? null,
      },
    ];
  });
}

/** One folder of the project's home as it was; folders first. Error `backup.no-path`. */
export async function listFolder(
  repositories: Repositories,
  one: OpenRepository,
  snapshot: string,
  folder: string,
): Promise<BackupEntry[]> {
  const at = folder === "" ? "home" : `home/${folder}`;
  const result = await repositories.rustic(one, ["ls", "--long", "--numeric-uid-gid", `${snapshot}:${at}`]);
  if (result.code !== 0) {
    throw new CodedError({
      code: "backup.no-path",
      title: `There is no ${folder === "" ? "home" : folder} in this backup`,
      why: whatItSaid(result.stderr),
      fix: "Go up a folder and look there.",
      status: 404,
      exit: EX.NOINPUT,
    });
  }
  const rank = (entry: BackupEntry) => (entry.type === "dir" ? 0 : 1);
  return parseListing(result.stdout, folder).sort(
    (a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name),
  );
}
