/** Root file systems that the hub hands out: `<digest>.tar.zst` beside a `<name>.json` that describes it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { errnoOf } from "../../core/errors.ts";

const manifestSchema = z.object({
  image: z.string().regex(/^[a-z0-9-]{1,50}$/),
  /** SHA-256 of the archive, hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number(),
  created: z.string(),
});
export type ImageManifest = z.infer<typeof manifestSchema>;

export interface Images {
  list(): ImageManifest[];
  /** Path of an archive, or undefined when the digest is none of ours. */
  archive(digest: string): string | undefined;
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
    archive: (digest) =>
      list().some((one) => one.digest === digest) ? join(dir, `${digest}.tar.zst`) : undefined,
  };
}
