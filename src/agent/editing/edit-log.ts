/**
 * A document's history on disk, so that an agent's death loses nothing that a page was told is kept: an append-only file
 * of records (length u32, CRC-32 u32, type u8, payload), a page's update before it is acknowledged. What follows a record
 * that is cut short or damaged is dropped. Beside it lies an empty `.unsaved` while there is more in it than in the file.
 */
import {
  closeSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import * as Y from "yjs";
import { z } from "zod";
import { docOf } from "../../contract/editing/text-doc.ts";
import { errnoOf } from "../../core/errors.ts";
import type { DiskText } from "./disk-text.ts";
import { hash, unsavedMark } from "./paths.ts";
import { SharedDoc } from "./shared-doc.ts";

const fdatasyncOf = promisify(fdatasync);
const RECORD = {
  HEAD: 1,
  /** Of people. */
  UPDATE: 2,
  /** Of the disk: another program wrote the file. */
  DISK: 3,
  /** What the file is known to be. */
  FILE: 4,
} as const;
const HEADER_BYTES = 9;
/** Appended since the log was last written as a whole, beyond what it had then. */
const GROWTH_BYTES = 1024 * 1024;

const headSchema = z.object({ version: z.literal(1), path: z.string(), doc_id: z.string() });
const fileSchema = z.object({
  etag: z.string(),
  bom: z.boolean(),
  ending: z.enum(["\n", "\r\n"]),
  /** The file was written from the document as it was at this offset; absent: it was read. */
  at: z.number().int().optional(),
});
export type KnownFile = Omit<z.output<typeof fileSchema>, "at">;

export interface Logged {
  path: string;
  doc_id: string;
  shared: SharedDoc;
  file: KnownFile;
}

function record(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  bytes[8] = type;
  bytes.set(payload, HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(4, crc32(bytes.subarray(8)));
  return bytes;
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function* records(bytes: Uint8Array): Generator<{ at: number; type: number; payload: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + view.getUint32(at);
    if (end > bytes.length || crc32(bytes.subarray(at + 8, end)) !== view.getUint32(at + 4)) return;
    yield { at, type: bytes[at + 8] as number, payload: bytes.subarray(at + HEADER_BYTES, end) };
    at = end;
  }
}

/** What a log holds; undefined when there is none, or nothing can be made of it. */
export function readLog(file: string): Logged | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return replay([...records(bytes)]);
  } catch {
    // Not of this version, or no log. Whoever opens the file goes on from what is in it, and this is kept for a person.
    renameSync(file, `${file}.damaged`);
    return undefined;
  }
}

function replay(all: { at: number; type: number; payload: Uint8Array }[]): Logged {
  const [first, ...rest] = all;
  if (first?.type !== RECORD.HEAD) throw new Error("it does not begin as a log");
  const { path, doc_id } = headSchema.parse(JSON.parse(Buffer.from(first.payload).toString()));
  let file: z.output<typeof fileSchema> | undefined;
  let written = 0;
  for (const { type, payload } of rest) {
    if (type !== RECORD.FILE) continue;
    file = fileSchema.parse(JSON.parse(Buffer.from(payload).toString()));
    written = file.at ?? written;
  }
  if (file === undefined) throw new Error("it knows of no file");
  const people = new Y.Doc();
  const disk = new Y.Doc();
  for (const { at, type, payload } of rest) {
    if (type === RECORD.FILE) continue;
    Y.applyUpdate(people, payload);
    if (at < written || type === RECORD.DISK) Y.applyUpdate(disk, payload);
  }
  const { at: _, ...known } = file;
  return { path, doc_id, shared: new SharedDoc(people, disk), file: known };
}

/** Of a file that has none yet; the same for the same content: a page of before an agent's end goes on with it. */
export function freshLog(path: string, { text, format, etag }: DiskText): Logged {
  const doc_id = hash(text).slice(0, 32);
  const doc = docOf(text, Number.parseInt(doc_id.slice(0, 8), 16));
  return { path, doc_id, shared: new SharedDoc(doc), file: { ...format, etag } };
}

export class EditLog {
  #file: string;
  #fd: number | undefined;
  #size = 0;
  #base = 0;
  #unsaved: boolean;
  /** An append failed: the log has to be written as a whole before it counts again. */
  #broken = false;
  /** Written, but not known to outlast the machine's power. */
  #unsynced = false;

  constructor(file: string) {
    this.#file = file;
    this.#unsaved = exists(unsavedMark(file));
  }

  /** Is there a log that can be appended to? */
  get open(): boolean {
    return this.#fd !== undefined && !this.#broken;
  }

  get size(): number {
    return this.#size;
  }

  get wantsRewrite(): boolean {
    return this.#broken || this.#size > 2 * this.#base + GROWTH_BYTES;
  }

  /** The whole state, in a new file that takes the place of the old one. */
  rewrite({ path, doc_id, shared, file }: Logged): void {
    this.#makeFolder();
    const parts = [
      record(RECORD.HEAD, json({ version: 1, path, doc_id })),
      record(RECORD.UPDATE, Y.encodeStateAsUpdate(shared.disk)),
    ];
    const at = parts.reduce((sum, part) => sum + part.length, 0);
    parts.push(record(RECORD.FILE, json({ ...file, at })));
    const more = Y.encodeStateAsUpdate(shared.people, Y.encodeStateVector(shared.disk));
    parts.push(record(RECORD.UPDATE, more));
    const temp = `${this.#file}.new`;
    const fd = openSync(temp, "w", 0o600);
    try {
      for (const part of parts) writeAll(fd, part);
      fsyncSync(fd);
      renameSync(temp, this.#file);
    } catch (error) {
      closeSync(fd);
      rmSync(temp, { force: true });
      throw error;
    }
    this.close();
    this.#fd = fd;
    this.#size = parts.reduce((sum, part) => sum + part.length, 0);
    this.#base = this.#size;
    this.#broken = false;
    // Its bytes are there; its name may not be.
    this.#unsynced = true;
  }

  update(update: Uint8Array): void {
    this.#append(RECORD.UPDATE, update);
  }

  disk(update: Uint8Array): void {
    this.#append(RECORD.DISK, update);
  }

  /** `at`: the {@link size} when the document was what was written. */
  file(file: KnownFile, at?: number): void {
    this.#append(RECORD.FILE, json(at === undefined ? file : { ...file, at }));
  }

  /** All of it is in the file. */
  saved(): void {
    if (!this.#unsaved) return;
    rmSync(unsavedMark(this.#file), { force: true });
    this.#unsaved = false;
  }

  /** What was appended outlasts the power from here on; false when the disk did not take it, and all is to be written anew. */
  async sync(): Promise<boolean> {
    const fd = this.#fd;
    if (this.#broken) return false;
    if (fd === undefined || !this.#unsynced) return true;
    this.#unsynced = false;
    try {
      await fdatasyncOf(fd);
    } catch {
      // Another file may have taken its place meanwhile, and has all that this had.
      if (this.#fd === fd) this.#broken = true;
    }
    return !this.#broken;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Its age is what it is kept by. */
  touch(): void {
    if (this.#fd !== undefined) utimesSync(this.#file, new Date(), new Date());
  }

  /** There is more in it than in the file: whoever starts next writes that. */
  unsaved(): void {
    if (this.#unsaved) return;
    this.#makeFolder();
    writeFileSync(unsavedMark(this.#file), "", { mode: 0o600 });
    this.#unsaved = true;
  }

  #makeFolder(): void {
    mkdirSync(this.#file.slice(0, this.#file.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  }

  remove(): void {
    this.close();
    this.saved();
    rmSync(this.#file, { force: true });
  }

  #append(type: number, payload: Uint8Array): void {
    if (this.#fd === undefined || this.#broken) return;
    const bytes = record(type, payload);
    try {
      writeAll(this.#fd, bytes);
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    this.#size += bytes.length;
    this.#unsynced = true;
  }
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
