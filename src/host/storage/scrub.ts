/** Reads all of the pool and compares it with its checksums; and what the devices have counted of errors so far. */
import { z } from "zod";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import type { PoolPlaces } from "./pool-record.ts";

/** Days may go by on a large slow disk. */
const SCRUB_TIMEOUT_MS = 7 * 24 * 3_600_000;
export const SCRUB_EVERY_MS = 30 * 24 * 3_600_000;

const resultSchema = z.object({
  finished_at: z.iso.datetime(),
  took_ms: z.number(),
  /** Blocks whose checksum was wrong or that could not be read. */
  errors: z.number(),
  uncorrectable: z.number(),
});
export type ScrubResult = z.infer<typeof resultSchema>;

export function lastScrub(places: PoolPlaces): ScrubResult | undefined {
  return readStateFile(places.scrub, (value) => resultSchema.parse(value));
}

/** A pool that was made a moment ago counts as scrubbed then. */
export function scrubDue(places: PoolPlaces, made_at: string, now: number): boolean {
  return now - Date.parse(lastScrub(places)?.finished_at ?? made_at) >= SCRUB_EVERY_MS;
}

/** @example scrubCounts("…read_errors: 0\n…csum_errors: 3\n…") // 3 */
export function scrubCounts(raw: string): { errors: number; uncorrectable: number } {
  const of = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(raw)?.[1] ?? 0);
  const errors = ["read_errors", "csum_errors", "verify_errors", "super_errors"].reduce(
    (n, name) => n + of(name),
    0,
  );
  return { errors, uncorrectable: of("uncorrectable_errors") };
}

/** At the lowest I/O priority. Error: `storage.scrub-failed`; wrong blocks are in the result. */
export async function scrub(places: PoolPlaces): Promise<ScrubResult> {
  const started = Date.now();
  // -B waits, -R prints each counter, -c 3 is the idle class.
  const run = await exec(["btrfs", "scrub", "start", "-B", "-R", "-c", "3", places.pool], {
    timeout: SCRUB_TIMEOUT_MS,
  });
  // 3: it ran, and found what could not be mended.
  if (run.code !== 0 && run.code !== 3) {
    throw new CodedError({
      code: "storage.scrub-failed",
      title: "The pool could not be scrubbed",
      why: run.stderr.trim(),
      exit: EX.IOERR,
    });
  }
  const result = {
    finished_at: new Date().toISOString(),
    took_ms: Date.now() - started,
    ...scrubCounts(run.stdout),
  };
  writeStateFile(places.scrub, result);
  return result;
}

/** Errors that the devices have counted since they were made; all 0 on a sound one. */
export async function deviceErrors(places: PoolPlaces): Promise<Record<string, number>> {
  const { stdout } = await exec(["btrfs", "device", "stats", places.pool]);
  const counts: Record<string, number> = {};
  for (const [, name = "", count] of stdout.matchAll(/\.(\w+)_errs\s+(\d+)/g))
    counts[name] = (counts[name] ?? 0) + Number(count);
  return counts;
}
