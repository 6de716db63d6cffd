/**
 * Uploads under way, on the project's own disk, so that they outlive a broken connection, a restart of hub or host, and
 * of the agent. What an upload has is told by `offset`: bytes whose hash was checked, or that came without one. On disk
 * it follows after each sync, so that a power cut never leaves bytes that were counted but not kept.
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  constants,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  utimes,
  writeFile,
} from "node:fs/promises";
import { z } from "zod";
import { ON_EXISTING, type OnExisting, UPLOAD_EXPIRES_MS } from "../../contract/files-http.ts";
import { sysPath } from "../../contract/path-bytes.ts";
import { CodedError, errnoOf } from "../../core/errors.ts";
import { sizeText } from "../../core/size.ts";
import { fileError } from "../file-error.ts";
import { folderOf } from "../paths.ts";
import { place } from "./place.ts";
import { WriteBehind } from "./write-behind.ts";

/** The disk is asked for what came in steps of this, while more comes: little is left to wait for at the last byte. */
const SYNC_BYTES = 16 * 1024 * 1024;
/** A sender waits when it is further ahead of the disk than this. */
const UNSYNCED_BYTES = 64 * 1024 * 1024;
/** So long an upload that arrived is remembered: its last answer may have been lost on the way. */
const REMEMBER_MS = 3600_000;

const infoSchema = z.object({
  upload_id: z.string(),
  /** Absolute; escaped as path-bytes.ts has it. */
  path: z.string(),
  length: z.number().int().min(0),
  existing: z.enum(ON_EXISTING),
  /** Of the file where it comes from, milliseconds. */
  modified: z.number().nullable(),
  created_at: z.number(),
  synced: z.number().int().min(0),
});

export interface Upload extends z.infer<typeof infoSchema> {
  offset: number;
  /** What the disk has, counted or not yet. */
  flushed: number;
  touched_at: number;
  /** Where it went, once it is whole. */
  placed: string | undefined;
}

export interface Checksum {
  algorithm: "sha256" | "sha1";
  digest: Buffer;
}

export function uploadGone(): CodedError {
  return new CodedError({
    code: "upload.gone",
    title: "That upload is no longer known",
    why: "It was cancelled, or nobody went on with it for a week.",
    fix: "Begin it anew.",
    status: 404,
  });
}

export class UploadStore {
  readonly #dir: string;
  readonly #uploads = new Map<string, Upload>();
  /** Whoever writes into one now, and what ends that. */
  readonly #busy = new Map<string, { stop: () => void; done: Promise<unknown> }>();
  /** What is on its way to the disk while more arrives. A failure stays until the next part or the last byte meets it. */
  readonly #syncing = new Map<string, { upTo: number; job: Promise<void>; ended: boolean }>();
  #opened: Promise<void> | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  #path(id: string, name = ""): string {
    return `${this.#dir}/${id}${name === "" ? "" : `/${name}`}`;
  }

  /** What an agent before this one left. */
  async #open(): Promise<void> {
    this.#opened ??= (async () => {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      for (const id of await readdir(this.#dir)) {
        if (!/^[a-f0-9]{32}$/.test(id)) continue;
        try {
          const info = infoSchema.parse(JSON.parse(await readFile(this.#path(id, "info.json"), "utf8")));
          const file = await open(this.#path(id, "data"), "r");
          const { size, mtimeMs } = await file.stat();
          await file.close();
          this.#uploads.set(id, {
            ...info,
            upload_id: id,
            offset: Math.min(info.synced, size),
            flushed: Math.min(info.synced, size),
            touched_at: mtimeMs,
            placed: undefined,
          });
        } catch {
          // Cut off while it was made, or spoiled by a program of the project: nothing in it was ever promised.
          await rm(this.#path(id), { recursive: true, force: true });
        }
      }
    })();
    await this.#opened;
  }

  async #expire(): Promise<void> {
    const now = Date.now();
    for (const [id, upload] of this.#uploads) {
      const age = now - upload.touched_at;
      if (upload.placed !== undefined ? age > REMEMBER_MS : age > UPLOAD_EXPIRES_MS) await this.remove(id);
    }
  }

  /** Bytes that the uploads under way were promised and have not used yet. */
  #promised(): number {
    let sum = 0;
    for (const upload of this.#uploads.values())
      if (upload.placed === undefined) sum += upload.length - upload.offset;
    return sum;
  }

  /** Refused with `file.no-space` before the first byte when it cannot fit: on the disk, or in `room`, the quota's rest. */
  async create(
    wanted: { path: string; length: number; existing: OnExisting; modified: number | null },
    room = Number.POSITIVE_INFINITY,
  ): Promise<Upload> {
    await this.#open();
    await this.#expire();
    const { bavail, bsize } = await statfs(this.#dir);
    const free = Math.min(bavail * bsize, room) - this.#promised();
    if (wanted.length > free) {
      throw new CodedError({
        code: "file.no-space",
        title: "The file does not fit into the project",
        why: `It has ${sizeText(wanted.length)}; ${sizeText(Math.max(0, free))} are free besides what other uploads still need.`,
        fix: "Delete something, empty the trash, or ask for a larger limit. Nothing was sent yet.",
        status: 507,
      });
    }
    const id = randomBytes(16).toString("hex");
    await mkdir(this.#path(id), { mode: 0o700 });
    const now = Date.now();
    const upload: Upload = {
      ...wanted,
      upload_id: id,
      created_at: now,
      touched_at: now,
      synced: 0,
      flushed: 0,
      offset: 0,
      placed: undefined,
    };
    await (await open(this.#path(id, "data"), "wx", 0o666)).close();
    await this.#save(upload);
    this.#uploads.set(id, upload);
    return upload;
  }

  async #save(upload: Upload): Promise<void> {
    const { offset: _offset, flushed: _flushed, touched_at: _touched, placed: _placed, ...info } = upload;
    const file = this.#path(upload.upload_id, "info.json");
    // Two may be under way; whichever is last is true, for neither says more than the disk has.
    const own = `${file}.${randomBytes(4).toString("hex")}`;
    await writeFile(own, JSON.stringify(info));
    await rename(own, file);
  }

  async get(id: string): Promise<Upload> {
    await this.#open();
    const upload = this.#uploads.get(id);
    if (!upload) throw uploadGone();
    return upload;
  }

  /**
   * One writer at a time: a newer request ends the one before, which may hang on a connection that is long dead. tus has
   * clients ask for the offset first, so that also waits here.
   */
  async alone<T>(id: string, stop: () => void, work: () => Promise<T>): Promise<T> {
    for (let before = this.#busy.get(id); before; before = this.#busy.get(id)) {
      before.stop();
      await before.done.catch(() => {});
    }
    const done = work();
    const mine = { stop, done };
    this.#busy.set(id, mine);
    try {
      return await done;
    } finally {
      if (this.#busy.get(id) === mine) this.#busy.delete(id);
    }
  }

  /**
   * Appends what comes. With a checksum all of it counts or nothing; without one what arrived counts, also when the
   * sender breaks off. At the last byte the file goes to its place.
   */
  async append(
    upload: Upload,
    bytes: AsyncIterable<Uint8Array>,
    checksum: Checksum | undefined,
  ): Promise<void> {
    const start = upload.offset;
    let at = start;
    const hash: Hash | undefined = checksum && createHash(checksum.algorithm);
    // Of a part that did not pass: what the disk takes from now on are other bytes.
    if ((this.#syncing.get(upload.upload_id)?.upTo ?? 0) > start) await this.#synced(upload);
    upload.flushed = Math.min(upload.flushed, start);
    const file = await open(this.#path(upload.upload_id, "data"), constants.O_WRONLY);
    const writer = new WriteBehind(file, start);
    try {
      // Left by a part that did not pass, or by a writer before a crash.
      await file.truncate(start);
      try {
        for await (const chunk of bytes) {
          if (at + chunk.length > upload.length) {
            throw new CodedError({
              code: "upload.too-long",
              title: "More bytes came than the upload was announced with",
              status: 413,
            });
          }
          // Hashed here while another thread writes.
          const room = writer.add(chunk);
          hash?.update(chunk);
          at += chunk.length;
          await room;
          await this.#syncBehind(upload, writer.written);
        }
        await writer.done();
      } catch (error) {
        await writer.done().catch(() => {});
        if (checksum === undefined && !(error instanceof CodedError)) upload.offset = writer.written;
        throw error;
      }
      if (checksum && hash && !hash.digest().equals(checksum.digest)) {
        throw new CodedError({
          code: "upload.checksum-mismatch",
          title: "The bytes that arrived are not those that were sent",
          why: `Their ${checksum.algorithm} differs from what the sender told.`,
          fix: "This part is sent again; the file is not touched.",
          status: 460,
        });
      }
      upload.offset = at;
      upload.touched_at = Date.now();
      if (at === upload.length) {
        await this.#synced(upload);
        await file.datasync().catch((error: unknown) => lost(upload, error));
        upload.synced = at;
        await this.#save(upload);
      } else {
        await this.#record(upload);
        await this.#syncBehind(upload, at);
      }
    } catch (error) {
      throw errnoOf(error) === undefined || error instanceof CodedError
        ? error
        : fileError(error, upload.path);
    } finally {
      await file.close();
    }
  }

  /** What the disk has and what counts is what a restart goes by. */
  async #record(upload: Upload): Promise<void> {
    const certain = Math.min(upload.flushed, upload.offset);
    if (certain <= upload.synced) return;
    upload.synced = certain;
    await this.#save(upload);
  }

  /** Resolves when nothing of it is on its way to the disk; throws what went wrong there. */
  async #synced(upload: Upload): Promise<void> {
    const running = this.#syncing.get(upload.upload_id);
    this.#syncing.delete(upload.upload_id);
    await running?.job.catch((error: unknown) => lost(upload, error));
  }

  /** Has the disk take what was written, up to `at`, while the sender goes on. What it has counts once its hash did. */
  async #syncBehind(upload: Upload, at: number): Promise<void> {
    const { upload_id } = upload;
    const running = this.#syncing.get(upload_id);
    if (at - (running?.upTo ?? upload.flushed) < SYNC_BYTES) return;
    if (running && !running.ended && at - upload.flushed < UNSYNCED_BYTES) return;
    await this.#synced(upload);
    const job = (async () => {
      const file = await open(this.#path(upload_id, "data"), "r+");
      try {
        await file.datasync();
      } finally {
        await file.close();
      }
      upload.flushed = at;
      await this.#record(upload);
    })();
    const syncing = { upTo: at, job, ended: false };
    const end = () => {
      syncing.ended = true;
    };
    job.then(end, end);
    this.#syncing.set(upload_id, syncing);
  }

  /** Puts a whole upload in its place. It stays as it is when that fails: another place can be asked for, or another try. */
  async finish(upload: Upload): Promise<void> {
    if (upload.placed !== undefined || upload.offset !== upload.length) return;
    const data = this.#path(upload.upload_id, "data");
    try {
      if (upload.modified !== null) {
        const time = new Date(upload.modified);
        await utimes(data, time, time);
      }
      upload.placed = await place(data, upload.path, upload.existing);
    } catch (error) {
      throw fileError(error, upload.path);
    }
    upload.touched_at = Date.now();
    await syncFolder(folderOf(upload.placed));
    await rm(this.#path(upload.upload_id), { recursive: true, force: true });
  }

  async remove(id: string): Promise<void> {
    const upload = this.#uploads.get(id);
    this.#uploads.delete(id);
    // What it says no longer matters, but it must not write into a folder that is being removed.
    if (upload) await this.#synced(upload).catch(() => {});
    await rm(this.#path(id), { recursive: true, force: true });
  }
}

/** The kernel forgets what it could not write, and says so once: the sender goes on behind what is certain. */
function lost(upload: Upload, error: unknown): never {
  upload.offset = upload.synced;
  throw fileError(error, upload.path);
}

/** So that the new name outlives a power cut as well. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(sysPath(path), "r").catch(() => undefined);
  // Some file systems know no sync of a folder; the name is then as safe as they make it.
  await folder?.sync().catch(() => {});
  await folder?.close();
}
