/**
 * Files over HTTP, on the hub's main port: `/<project_id>/files/<verb>`. The hub authorises and relays to the host, the
 * host to the project's agent, which serves with the project's own rights. Paths are in the query, percent-encoded as
 * bytes (see path-bytes.ts), relative to the home or absolute.
 *
 * - `GET download?path=P`: the file, with Range and If-Range; always an attachment.
 * - `GET preview?path=P`: the file with its own type, where that type is one of {@link PREVIEW_TYPES}; sandboxed.
 * - `GET archive?path=P&path=Q&format=zip|tar`: files and folders as a stream.
 * - `uploads`, `uploads/<id>`: tus 1.0.0 with creation, creation-with-upload, checksum, expiration, termination.
 */
import { encodePath } from "./path-bytes.ts";

export const FILES_VERBS = ["download", "preview", "archive", "uploads"] as const;
export type FilesVerb = (typeof FILES_VERBS)[number];
export type FilesAccess = "read" | "write";

export interface FilesPath {
  project_id: string;
  verb: FilesVerb;
  /** Of an upload. */
  upload_id: string | undefined;
  /** Raw path and query as the agent sees them: `/download?path=…`. */
  rest: string;
}

const PATTERN =
  /^\/([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\/files(\/(download|preview|archive|uploads)(?:\/([a-f0-9]{32}))?(\?.*)?)$/;

/** From host to agent: what a viewer sees, as JSON, percent-encoded. Whoever else sends it is not listened to. */
export const VIEW_HEADER = "cocalc-view";

/** One function for hub, host and agent, on the raw URL. */
export function parseFilesPath(url: string): FilesPath | undefined {
  const match = PATTERN.exec(url);
  if (!match) return undefined;
  const [, project_id = "", rest = "", verb = "", upload_id] = match;
  if (upload_id !== undefined && verb !== "uploads") return undefined;
  return { project_id, verb: verb as FilesVerb, upload_id, rest };
}

/** Whether a URL means files at all, well-formed or not. */
export function isFilesUrl(url: string): boolean {
  return /^\/[0-9a-f-]{36}\/files(\/|\?|$)/.test(url);
}

/** What a method needs; undefined: that verb does not know it. */
export function accessFor(verb: FilesVerb, method: string): FilesAccess | undefined {
  if (verb !== "uploads") return method === "GET" || method === "HEAD" ? "read" : undefined;
  return ["OPTIONS", "HEAD", "POST", "PATCH", "DELETE"].includes(method) ? "write" : undefined;
}

export const UPLOAD_CONTENT_TYPE = "application/offset+octet-stream";
export const TUS_VERSION = "1.0.0";
export const TUS_EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination";
export const TUS_CHECKSUMS = ["sha256", "sha1"] as const;
/** An upload's first part: its hash is checked before it counts, and a part is what is sent again after a break. */
export const UPLOAD_CHUNK_BYTES = 8 * 1024 * 1024;
const MIN_CHUNK_BYTES = 1024 * 1024;
/** A client has two in memory, and what fetch and the hash make of them. */
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
const SHORT_MS = 500;
const LONG_MS = 5_000;

/**
 * Bytes of the next part, from those of the last and the milliseconds it took: larger while parts are soon done, so that
 * the pause between two does not count, smaller where a break would cost much. Pure.
 */
export function nextChunkBytes(bytes: number, took: number): number {
  if (took < SHORT_MS) return Math.min(bytes * 2, MAX_CHUNK_BYTES);
  return took > LONG_MS ? Math.max(bytes / 2, MIN_CHUNK_BYTES) : bytes;
}
/** An upload nobody goes on with is forgotten after this time. */
export const UPLOAD_EXPIRES_MS = 7 * 24 * 3600_000;
/** What to do where there is something of that name already. */
export const ON_EXISTING = ["refuse", "replace", "keep-both"] as const;
export type OnExisting = (typeof ON_EXISTING)[number];
/** From host to agent, with an upload's announcement: bytes that the project may still use of its quota. */
export const ROOM_HEADER = "cocalc-room";
/** Smaller ones are not asked about: the kernel refuses what does not fit, and little was sent for nothing. */
export const ASK_ROOM_BYTES = 8 * 1024 * 1024;
/** Says which path an upload went to, percent-encoded: with `keep-both` it may be another than asked for. */
export const UPLOAD_PATH_HEADER = "cocalc-upload-path";

/**
 * Types that a browser may show in place. Nothing else leaves the hub with a type of its own: a file's bytes must never
 * be a page of the hub's.
 */
export const PREVIEW_TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
  svg: "image/svg+xml",
  pdf: "application/pdf",
  html: "text/html; charset=utf-8",
  htm: "text/html; charset=utf-8",
  mp3: "audio/mpeg",
  ogg: "audio/ogg",
  wav: "audio/wav",
  mp4: "video/mp4",
  webm: "video/webm",
};

export function extensionOf(path: string): string {
  const name = path.split("/").pop() ?? "";
  const at = name.lastIndexOf(".");
  return at <= 0 ? "" : name.slice(at + 1).toLowerCase();
}

export function previewType(path: string): string | undefined {
  const extension = extensionOf(path);
  return Object.hasOwn(PREVIEW_TYPES, extension) ? PREVIEW_TYPES[extension] : undefined;
}

/** @example filesUrl(id, "download", "data/a b.csv") // "/<id>/files/download?path=data/a%20b.csv" */
export function filesUrl(projectId: string, verb: "download" | "preview", path: string): string {
  return `/${projectId}/files/${verb}?path=${encodePath(path)}`;
}
export function archiveUrl(projectId: string, paths: readonly string[], format: "zip" | "tar"): string {
  const query = paths.map((path) => `path=${encodePath(path)}`).join("&");
  return `/${projectId}/files/archive?${query}&format=${format}`;
}
export function uploadsUrl(projectId: string): string {
  return `/${projectId}/files/uploads`;
}
