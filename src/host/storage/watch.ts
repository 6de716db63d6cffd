/**
 * Watches the file system that holds a sparse image. Should it fill up from elsewhere, btrfs would lose what it has
 * acknowledged; so before that: warn, take no new work, stop projects and write out what is in memory.
 */
import { existsSync, rmSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { PoolFacts, Watermark } from "../../contract/storage.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { syncFs, withFd } from "./btrfs-ioctl.ts";
import { isMounted, type PoolPlaces, poolPlaces, readPoolRecord } from "./pool-record.ts";
import { watermarkOf } from "./sizing.ts";

const log = logger("storage");
/** A fast disk writes 3 GB a second; the smallest distance between two marks is 1.25 GB. */
const INTERVAL_MS = 250;
const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

export class BackingWatch {
  readonly #places: PoolPlaces;
  readonly #stopAll: () => Promise<void>;
  #mark: Watermark = "ok";
  #timer: ReturnType<typeof setInterval> | undefined;
  #busy = false;

  /** `stopAll` ends all projects whose files are in the pool. */
  constructor(storage: string, stopAll: () => Promise<void>) {
    this.#places = poolPlaces(storage);
    this.#stopAll = stopAll;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.tick(), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  get mark(): Watermark {
    return this.#mark;
  }

  async #backing(): Promise<{ free: number; total: number; ballast: number }> {
    const fs = await statfs(this.#places.storage);
    const ballast = existsSync(this.#places.ballast) ? statSync(this.#places.ballast).blocks * 512 : 0;
    return { free: fs.bavail * fs.bsize, total: fs.blocks * fs.bsize, ballast };
  }

  async tick(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const record = readPoolRecord(this.#places);
      if (record?.mode !== "sparse") {
        this.#mark = "ok";
        return;
      }
      const { free, ballast } = await this.#backing();
      const mark = watermarkOf(free, ballast, record.reserve_bytes);
      const before = this.#mark;
      this.#mark = mark;
      if (mark !== before) await this.#crossed(mark, free + ballast);
      // Room is back: what the last mark gave away is taken again.
      if (mark === "ok" && ballast === 0 && record.ballast_bytes > 0)
        await takeBallast(this.#places, record.ballast_bytes);
    } catch (error) {
      log.error("the file system below the pool could not be watched", { why: messageOf(error) });
    } finally {
      this.#busy = false;
    }
  }

  async #crossed(mark: Watermark, left: number): Promise<void> {
    const say = { mark, left: gb(left) };
    if (mark === "ok") log.info("the file system below the pool has room again", say);
    else if (mark === "warn") log.warn("the file system below the pool fills up", say);
    else if (mark === "refuse") log.error("the file system below the pool is nearly full: no new work", say);
    if (mark !== "stop") return;
    log.error("the file system below the pool is full: projects are stopped", say);
    // First what was acknowledged, while there is certainly room; then what the projects write as they end.
    this.#sync();
    await this.#stopAll();
    rmSync(this.#places.ballast, { force: true });
    this.#sync();
  }

  #sync(): void {
    if (isMounted(this.#places)) withFd(this.#places.pool, syncFs);
  }

  /** Throws `storage.nearly-full` where new work would end in lost data. */
  admit(): void {
    if (this.#mark !== "refuse" && this.#mark !== "stop") return;
    throw new CodedError({
      code: "storage.nearly-full",
      title: "The disk of this host is nearly full, so no project is started on it",
      why: "The file system that holds the pool's sparse image is below its mark; on a full one, files already saved would be lost.",
      fix: "Free space on that disk (not within projects), or move projects to another host.",
      status: 507,
      exit: EX.UNAVAILABLE,
    });
  }

  async facts(): Promise<Pick<PoolFacts, "mode" | "backing" | "watermark" | "note">> {
    const record = readPoolRecord(this.#places);
    if (record === undefined) return { mode: "directory", backing: null, watermark: "ok", note: null };
    if (record.mode === "device") return { mode: "device", backing: null, watermark: "ok", note: null };
    const { free, total, ballast } = await this.#backing();
    const notes = [
      record.counted === "polled"
        ? "This kernel has no simple quotas (Linux 6.7): what projects use is counted now and then, and no limit is kept."
        : null,
      record.mode === "sparse"
        ? "The image is sparse: it takes its room as it fills. “storage grow --preallocate” takes all of it, after which a full disk cannot hurt what was saved."
        : null,
    ].filter((note) => note !== null);
    return {
      mode: record.mode,
      backing: { total_bytes: total, free_bytes: free + ballast, reserve_bytes: record.reserve_bytes },
      watermark: this.#mark,
      note: notes.join(" ") || null,
    };
  }
}

/** A file that holds room which can be given back at once. */
export async function takeBallast(places: PoolPlaces, bytes: number): Promise<void> {
  if (bytes === 0) return;
  const made = await exec(["fallocate", "--length", String(bytes), places.ballast]);
  if (made.code !== 0) log.warn("no ballast could be laid by", { why: made.stderr.trim() });
}
