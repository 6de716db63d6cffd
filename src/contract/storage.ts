/** What host and hub say to each other of storage. Bytes everywhere; times are ISO, UTC. */
import { z } from "zod";

/** schedule: thinned out by age. manual: stays until removed. safety: before a restore. backup: while a backup reads it. */
export const snapshotKindSchema = z.enum(["schedule", "manual", "safety", "backup"]);
export type SnapshotKind = z.infer<typeof snapshotKindSchema>;

/** `2026-11-25T01:02:03Z`: its time is its name. */
export const snapshotNameSchema = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "must be a time as 2026-11-25T01:02:03Z");

export const snapshotSchema = z.object({
  name: snapshotNameSchema,
  kind: snapshotKindSchema,
  /** Folders that a project made as subvolumes of its own and that could not be taken in. */
  left_out: z.array(z.string().max(4096)).max(100),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const usageSchema = z.object({
  /** null: no limit. */
  quota_bytes: z.number().nullable(),
  /** What counts against the quota: live files and what only snapshots still hold. */
  used_bytes: z.number(),
  /** Files as they are now. */
  live_bytes: z.number(),
  held_bytes: z.number(),
  /** simple: the kernel counts. polled: counted now and then, and no limit is kept. none: plain directories. */
  counted: z.enum(["simple", "polled", "none"]),
  measured_at: z.iso.datetime(),
});
export type Usage = z.infer<typeof usageSchema>;

/** ok; below ¾ of the reserve: warn; below ½: no new work; below ¼: projects are stopped. */
export const watermarkSchema = z.enum(["ok", "warn", "refuse", "stop"]);
export type Watermark = z.infer<typeof watermarkSchema>;

export const poolFactsSchema = z.object({
  kind: z.enum(["directory", "btrfs"]),
  /** preallocated and sparse: an image file; device: a partition, a disk or a file system that was given. */
  mode: z.enum(["directory", "preallocated", "sparse", "device"]),
  /** Of the btrfs file system. */
  uuid: z.string().nullable(),
  total_bytes: z.number(),
  free_bytes: z.number(),
  snapshots: z.boolean(),
  counted: z.enum(["simple", "polled", "none"]),
  /** Of the file system that holds an image file; of a directory's own. */
  backing: z
    .object({ total_bytes: z.number(), free_bytes: z.number(), reserve_bytes: z.number() })
    .nullable(),
  watermark: watermarkSchema,
  /** Why it is not more than it is: said in the UI and by doctor. */
  note: z.string().nullable(),
});
export type PoolFacts = z.infer<typeof poolFactsSchema>;

export const poolHealthSchema = z.object({
  scrub: z
    .object({
      finished_at: z.iso.datetime(),
      took_ms: z.number(),
      errors: z.number(),
      uncorrectable: z.number(),
    })
    .nullable(),
  /** By kind: write, read, flush, corruption, generation. */
  device_errors: z.record(z.string(), z.number()).nullable(),
});
export type PoolHealth = z.infer<typeof poolHealthSchema>;
