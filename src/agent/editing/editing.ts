/** The files that people edit together: opened by whoever comes first, let go some time after the last one left. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { access, constants, lstat } from "node:fs/promises";
import type { z } from "zod";
import type { ConatStream } from "../../conat/stream.ts";
import { EDIT_FRAME, EditFrameDecoder } from "../../contract/editing/frames.ts";
import { sysPath } from "../../contract/path-bytes.ts";
import type { EditPerson } from "../../contract/project-services/editing.ts";
import { projectStreams } from "../../contract/project-services.ts";
import { CodedError, errnoOf } from "../../core/errors.ts";
import type { Surroundings } from "../child-env.ts";
import { existsAlready, fileError } from "../file-error.ts";
import { throughLinks } from "../file-write.ts";
import { exists } from "../files.ts";
import { resolvePath } from "../paths.ts";
import { readLog } from "./edit-log.ts";
import { EditSession } from "./edit-session.ts";
import { OpenDoc } from "./open-doc.ts";
import { editingDir, logFile, unsavedLogs } from "./paths.ts";

/** Open at once; each holds its text a few times over. */
const MAX_DOCS = 100;
const MAX_SESSIONS = 100;
/** Somebody who reloads the page finds it still there. */
const LINGER_MS = 30_000;
/** Pages that were offline for so long still merge as what they are; later as texts. */
const KEEP_LOGS_MS = 7 * 24 * 3600_000;
const MAX_LOGS_BYTES = 64 * 1024 * 1024;

type EditParams = z.output<(typeof projectStreams)["files.edit"]["params"]>;

export class Editing {
  #home: string;
  #dir: string;
  #docs = new Map<string, Promise<OpenDoc>>();
  #lingering = new Map<OpenDoc, ReturnType<typeof setTimeout>>();
  #closing = new Map<string, Promise<void>>();
  #lines = 0;

  constructor(around: Surroundings) {
    this.#home = around.home;
    this.#dir = editingDir(around);
    this.#prune();
  }

  /** Without a `person`: to look on; what comes up is not listened to. */
  async edit(stream: ConatStream, asked: EditParams, person?: EditPerson): Promise<void> {
    const { path, client, have } = asked;
    const watching = person === undefined;
    const real = await this.#real(resolvePath(this.#home, path));
    const writable = !watching && (await mayWrite(real));
    const doc = await this.#open(real);
    if (stream.closed || doc.sessions.size >= MAX_SESSIONS) {
      this.#linger(doc);
      throw tooMany(`${MAX_SESSIONS} pages have this file open, as many as there may be.`);
    }
    clearTimeout(this.#lingering.get(doc));
    const session = new EditSession(stream, {
      path: resolvePath(this.#home, path),
      client,
      person,
      who: ++this.#lines,
    });
    const decoder = new EditFrameDecoder();
    stream.onData((bytes) => {
      if (!writable) return;
      decoder.push(bytes, (type, payload) => {
        if (type === EDIT_FRAME.UPDATE) doc.take(session, payload);
      });
    });
    stream.onMessage((message) => {
      if (watching) return;
      const up = projectStreams["files.edit"].up.parse(message);
      if (up.type === "here") doc.here(session, { cursor: up.cursor });
      else if (writable) void doc.save(up.over);
    });
    stream.onEnd(() => stream.end());
    stream.onClose(() => {
      doc.leave(session);
      this.#linger(doc);
    });
    stream.sendMessage({ type: "opened", doc_id: doc.doc_id, writable, ending: doc.ending });
    const vector = have?.doc_id === doc.doc_id ? Buffer.from(have.vector, "base64") : undefined;
    try {
      doc.join(session, vector && new Uint8Array(vector));
    } catch {
      throw new CodedError({
        code: "edit.malformed",
        title: "What the page has cannot be read",
        status: 400,
      });
    }
  }

  /** Does a move, which says where it led to, and takes the open files and their pages along. */
  async moving(asked: string, move: () => Promise<string>): Promise<string> {
    const from = resolvePath(this.#home, asked);
    const before = await this.#movable(from);
    const to = await move();
    if (before === undefined) return to;
    const after = await this.#real(to);
    for (const [path, opening] of [...this.#docs]) {
      if (!isBelow(path, before)) continue;
      const now = after + path.slice(before.length);
      const doc = await opening.catch(() => undefined);
      if (doc === undefined || this.#docs.has(now)) continue;
      this.#docs.delete(path);
      this.#docs.set(now, opening);
      await doc.moved(now, logFile(this.#dir, now));
      for (const session of doc.sessions) {
        if (!isBelow(session.path, from)) continue;
        const there = to + session.path.slice(from.length);
        session.moved(there, this.#told(there));
      }
    }
    return to;
  }

  /** What people made of a file, into a new one of another name; whoever has it open goes along. */
  async saveAs(asked: string, to: string): Promise<void> {
    const from = await this.#real(resolvePath(this.#home, asked));
    const there = resolvePath(this.#home, to);
    const after = await this.#real(there);
    const opening = this.#docs.get(from);
    const doc = await opening;
    if (opening === undefined || doc === undefined)
      throw fileError(Object.assign(new Error("not open"), { code: "ENOENT" }), asked);
    try {
      if (this.#docs.has(after) || (await exists(there))) throw existsAlready(to);
    } catch (error) {
      throw fileError(error, to);
    }
    await doc.saveAs(after, logFile(this.#dir, after));
    this.#docs.delete(from);
    this.#docs.set(after, opening);
    for (const session of doc.sessions) session.moved(there, this.#told(there));
  }

  #told(path: string): string {
    const home = `${this.#home}/`;
    return path.startsWith(home) ? path.slice(home.length) : path;
  }

  /** Writes what is typed in these and below them, as far as that can be: they are about to be removed. */
  async settle(paths: readonly string[]): Promise<void> {
    for (const asked of paths) {
      const gone = await this.#movable(resolvePath(this.#home, asked));
      for (const [path, opening] of this.#docs)
        if (gone !== undefined && isBelow(path, gone)) await (await opening.catch(() => undefined))?.save();
    }
  }

  /** Writes what an earlier agent kept and did not come to write. */
  async recover(): Promise<void> {
    for (const file of unsavedLogs(this.#dir)) {
      const path = readLog(file)?.path;
      if (path === undefined) continue;
      try {
        const doc = await this.#open(path);
        await doc.save();
        this.#linger(doc);
      } catch {
        // It is no text any more, or cannot be read: what is kept stays, for whoever opens the file.
      }
    }
  }

  async close(): Promise<void> {
    const docs = await Promise.allSettled(this.#docs.values());
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    await Promise.allSettled(docs.map((doc) => (doc.status === "fulfilled" ? doc.value.close() : undefined)));
    await Promise.allSettled(this.#closing.values());
  }

  async #real(path: string): Promise<string> {
    try {
      return await throughLinks(path);
    } catch (error) {
      // The folder that it was in may be a file by now; what was typed is kept under this name.
      if (errnoOf(error) === "ENOTDIR") return path;
      throw fileError(error, path);
    }
  }

  /** A link that is renamed leaves what it leads to where it is. */
  async #movable(path: string): Promise<string | undefined> {
    try {
      return (await lstat(sysPath(path))).isSymbolicLink() ? undefined : await throughLinks(path);
    } catch {
      // The rename itself says what is wrong.
      return undefined;
    }
  }

  async #open(path: string): Promise<OpenDoc> {
    await this.#closing.get(path);
    let opening = this.#docs.get(path);
    if (opening === undefined) {
      if (this.#docs.size >= MAX_DOCS)
        throw tooMany(`${MAX_DOCS} files are open in this project, as many as there may be.`);
      opening = OpenDoc.open(path, logFile(this.#dir, path));
      this.#docs.set(path, opening);
      opening.catch(() => this.#docs.delete(path));
    }
    return await opening;
  }

  #linger(doc: OpenDoc): void {
    clearTimeout(this.#lingering.get(doc));
    this.#lingering.delete(doc);
    if (doc.sessions.size > 0) return;
    const timer = setTimeout(() => {
      this.#lingering.delete(doc);
      if (doc.sessions.size > 0) return;
      const { path } = doc;
      this.#docs.delete(path);
      const closed = doc.close().finally(() => this.#closing.delete(path));
      this.#closing.set(path, closed);
    }, LINGER_MS);
    this.#lingering.set(doc, timer);
  }

  /** Histories that nobody asked for in a week, and the oldest of too many; never one with more in it than its file. */
  #prune(): void {
    const unsaved = new Set(unsavedLogs(this.#dir));
    let left = MAX_LOGS_BYTES;
    for (const { file, stats } of filesByAge(this.#dir)) {
      left -= stats.size;
      if (unsaved.has(file) || (left > 0 && Date.now() - stats.mtimeMs < KEEP_LOGS_MS)) continue;
      rmSync(file, { force: true });
    }
  }
}

const isBelow = (path: string, top: string) => path === top || path.startsWith(`${top}/`);

function filesByAge(dir: string) {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  const files = names
    .filter((name) => /^[0-9a-f]{32}$/.test(name))
    .map((name) => ({ file: `${dir}/${name}`, stats: statSync(`${dir}/${name}`) }));
  return files.sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs);
}

async function mayWrite(path: string): Promise<boolean> {
  try {
    await access(sysPath(path), constants.W_OK);
    return true;
  } catch (error) {
    // Gone, or with its folder: it may be made anew.
    return errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR";
  }
}

function tooMany(why: string): CodedError {
  return new CodedError({
    code: "edit.too-many",
    title: "Too much is open at once",
    why,
    fix: "Close some of it.",
    status: 503,
  });
}
