/**
 * The sweep of a repository in a bucket: the small files, of which a single bad one stops everybody, are fetched once
 * each and compared with their names. Packs are not: that would fetch all data a second time; the weekly reading does.
 */

import { createHash } from "node:crypto";
import type { S3Store } from "../../contract/s3-store.ts";
import { FOLDERS, NAME, STILL_MS, type SweepResult } from "./sweep.ts";

/** Beside the repository's own folders; rustic does not know it. */
export const S3_QUARANTINE = "quarantine";

export async function sweepS3(options: {
  store: S3Store;
  known: ReadonlySet<string>;
  now: number;
  still?: typeof STILL_MS;
}): Promise<SweepResult> {
  const { store, known, now } = options;
  const still = (options.still ?? STILL_MS).small;
  const result: SweepResult = { seen: [], findings: [] };
  for (const folder of FOLDERS) {
    for (const { name, size, modified } of await store.list(folder)) {
      // Servers of the kind that keep files show folders as empty objects.
      if (known.has(name) || name.endsWith("/") || now - modified < still) continue;
      const file = name.slice(folder.length + 1);
      const belongs = NAME.test(file);
      const hash = belongs
        ? createHash("sha256")
            .update(await store.read(name))
            .digest("hex")
        : undefined;
      if (hash === file) {
        result.seen.push({ name, problem: null });
        continue;
      }
      const problem = belongs
        ? `its content is not what its name says (${size} bytes)`
        : "no file that belongs in a repository";
      const stamp = new Date(now).toISOString().replaceAll(":", "");
      await store.putAside(name, `${S3_QUARANTINE}/${name.replaceAll("/", "-")}.${stamp}`);
      result.findings.push({ name, problem, quarantined: true });
    }
  }
  return result;
}
