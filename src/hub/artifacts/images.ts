/** Root file systems that the hub hands out: `<digest>.tar.zst` beside a `<name>.json` that describes it. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { errnoOf } from "../../core/errors.ts";

const versionSchema = z.object({
  /** SHA-256 of the archive, hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number(),
  created: z.string(),
});
const manifestSchema = versionSchema.extend({
  image: z.string().regex(/^[a-z0-9-]{1,50}$/),
  /** What it was before, newest first. */
  previous: z.array(versionSchema).default([]),
  /** Of one that was imported: where it came from. */
  source: z.union([z.object({ oci: z.string() }), z.object({ tar: z.string() })]).optional(),
});
export type ImageManifest = z.infer<typeof manifestSchema>;

export interface Images {
  list(): ImageManifest[];
  /**
   * Path of an archive, or undefined when it is none of ours. One from before an upgrade is there too: projects that
   * began with it are moved and restored with it.
   */
  archive(digest: string): string | undefined;
  /** Path of what an image is now. */
  named(image: string): string | undefined;
  /** All archives that are there, named by an image or not; `written` in ms since 1970. */
  archives(): { digest: string; bytes: number; written: number }[];
}

export function createImages(dir: string): Images {
  const list = () => {
    let names: string[];
    try {
      names = readdirSync(dir).filter((name) => name.endsWith(".json"));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
    return names.map((name) => manifestSchema.parse(JSON.parse(readFileSync(join(dir, name), "utf8"))));
  };
  return {
    list,
    archive(digest) {
      const path = join(dir, `${digest}.tar.zst`);
      return /^[0-9a-f]{64}$/.test(digest) && existsSync(path) ? path : undefined;
    },
    archives() {
      if (!existsSync(dir)) return [];
      return readdirSync(dir).flatMap((name) => {
        const digest = /^([0-9a-f]{64})\.tar\.zst$/.exec(name)?.[1];
        if (digest === undefined) return [];
        const { size: bytes, mtimeMs: written } = statSync(join(dir, name));
        return [{ digest, bytes, written }];
      });
    },
    named(image) {
      const found = list().find((one) => one.image === image);
      return found && join(dir, `${found.digest}.tar.zst`);
    },
  };
}
