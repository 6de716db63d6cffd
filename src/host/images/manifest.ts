/** `<name>.json` in the hub's images directory: what an image is now, and what it was before. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";

const versionSchema = z.object({
  /** SHA-256 of `<digest>.tar.zst`, hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int(),
  created: z.string(),
});
const keptSchema = versionSchema.extend({ previous: z.array(versionSchema).default([]) });

/** The versions of before stay named for as long as their archives are there: projects that began with one keep it. */
export function writeManifest<T extends z.infer<typeof versionSchema>>(
  dir: string,
  name: string,
  image: T,
): T & { previous: z.infer<typeof versionSchema>[] } {
  const path = join(dir, `${name}.json`);
  const old = readStateFile(path, (value) => keptSchema.parse(value));
  const all =
    old === undefined
      ? []
      : [{ digest: old.digest, bytes: old.bytes, created: old.created }, ...old.previous];
  const previous = all.filter(
    ({ digest }, at) =>
      digest !== image.digest &&
      all.findIndex((one) => one.digest === digest) === at &&
      existsSync(join(dir, `${digest}.tar.zst`)),
  );
  const written = { ...image, previous };
  writeStateFile(path, written);
  return written;
}
