/** `storage/pool.json`: which pool this host has. Root's own; what is on the disk must be what it names. */
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CodedError, EX } from "../../core/errors.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import { fsUuid, withFd } from "./btrfs-ioctl.ts";

export const poolRecordSchema = z.object({
  /** Of the btrfs file system: nothing else is ever mounted in its place. */
  uuid: z.uuid(),
  mode: z.enum(["preallocated", "sparse", "device"]),
  /** unknown: made, and not yet mounted for the first time. */
  counted: z.enum(["simple", "polled", "unknown"]),
  /** Within a file system that was there before: the subvolume that is ours. */
  subvolume: z.string().nullable(),
  reserve_bytes: z.number(),
  ballast_bytes: z.number(),
  shared_with_backups: z.boolean(),
  created_at: z.iso.datetime(),
});
export type PoolRecord = z.infer<typeof poolRecordSchema>;

export interface PoolPlaces {
  storage: string;
  record: string;
  /** The image file, where it is one. */
  image: string;
  /** Where it is mounted. */
  pool: string;
  ballast: string;
  scrub: string;
}

export function poolPlaces(storage: string): PoolPlaces {
  return {
    storage,
    record: join(storage, "pool.json"),
    image: join(storage, "cocalc.btrfs"),
    pool: join(storage, "pool"),
    ballast: join(storage, "ballast"),
    scrub: join(storage, "scrub.json"),
  };
}

export function readPoolRecord(places: PoolPlaces): PoolRecord | undefined {
  return readStateFile(places.record, (value) => poolRecordSchema.parse(value));
}

export function writePoolRecord(places: PoolPlaces, record: PoolRecord): void {
  writeStateFile(places.record, record);
}

/** Whether something is mounted there: it is on another device than the directory above it. */
export function isMounted(places: PoolPlaces): boolean {
  return existsSync(places.pool) && lstatSync(places.pool).dev !== lstatSync(places.storage).dev;
}

export function wrongUuid(found: string, wanted: string): CodedError {
  return new CodedError({
    code: "storage.wrong-uuid",
    title: "The file system that is there is not this host's pool",
    why: `Its UUID is ${found || "none"}; recorded is ${wanted}.`,
    fix: "Put the right image or disk back. Nothing was started on it.",
    exit: EX.DATAERR,
  });
}

/** Throws unless the recorded file system, and no other, is mounted. */
export function assertMounted(places: PoolPlaces, record: PoolRecord): void {
  if (!isMounted(places)) {
    throw new CodedError({
      code: "storage.not-mounted",
      title: "The pool that holds this host's projects is not mounted",
      why: `It is the file system ${record.uuid}, meant for ${places.pool}.`,
      fix: "Mount it; the message of that command says what hinders it.",
      command: "sudo cocalc-project-host storage mount",
      status: 503,
      exit: EX.UNAVAILABLE,
    });
  }
  const found = withFd(places.pool, fsUuid);
  if (found !== record.uuid) throw wrongUuid(found, record.uuid);
}
