/**
 * Uploads of this browser: tus, in parts with hashes, a few at a time. They live beside the pages, so that leaving one
 * does not end them; where they are is kept in the browser, so that a reload does not either: the file chosen again goes
 * on where it was.
 */
import type { HttpRequest, HttpStack, Upload as TusUpload } from "tus-js-client";
import { z } from "zod";
import {
  nextChunkBytes,
  type OnExisting,
  TUS_VERSION,
  UPLOAD_CHUNK_BYTES,
  UPLOAD_EXPIRES_MS,
  uploadsUrl,
} from "../../contract/files-http.ts";
import { pathBytes, toBase64 } from "../../contract/path-bytes.ts";
import { problemSchema } from "../../contract/problem.ts";
import { sha256 } from "../../contract/upload.ts";
import { CodedError } from "../../core/errors.ts";

const AT_ONCE = 3;
const RETRY_MS = [0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 15_000, 15_000, 15_000];
/** Refused for good, whatever is tried again. */
const FINAL = new Set([
  "file.exists",
  "file.no-space",
  "file.denied",
  "file.name-too-long",
  "file.is-a-folder",
]);

export interface UploadItem {
  key: string;
  projectId: string;
  /** Where it goes. */
  path: string;
  size: number;
  sent: number;
  /** `interrupted`: from before a reload; its file has to be chosen again. */
  state: "waiting" | "sending" | "done" | "failed" | "interrupted";
  error: unknown;
  existing: OnExisting;
}

const keptSchema = z.record(
  z.string(),
  z.object({
    url: z.string().nullable(),
    path: z.string(),
    size: z.number(),
    sent: z.number(),
    at: z.number(),
    existing: z.enum(["refuse", "replace", "keep-both"]),
  }),
);
type Kept = z.infer<typeof keptSchema>;
const storeKey = (projectId: string) => `uploads ${projectId}`;

function keptOf(projectId: string): Kept {
  try {
    return keptSchema.parse(JSON.parse(localStorage.getItem(storeKey(projectId)) ?? "{}"));
  } catch {
    // By another version of this page.
    return {};
  }
}

function change(projectId: string, edit: (kept: Kept) => void): void {
  const kept = keptOf(projectId);
  edit(kept);
  try {
    if (Object.keys(kept).length === 0) localStorage.removeItem(storeKey(projectId));
    else localStorage.setItem(storeKey(projectId), JSON.stringify(kept));
  } catch {
    // The store is full or shut off: an upload still works, it only cannot be taken up after a reload.
  }
}

/** What makes a file the same one when it is chosen again. */
const keyOf = (path: string, file: File) => `${path} ${file.size} ${file.lastModified}`;

let items: UploadItem[] = [];
const listeners = new Set<() => void>();
const running = new Map<string, TusUpload>();
const sources = new Map<string, File>();
const arrived = new Set<(item: UploadItem) => void>();
const restored = new Set<string>();

function set(key: string, edit: Partial<UploadItem>): void {
  items = items.map((one) => (one.key === key ? { ...one, ...edit } : one));
  for (const listener of listeners) listener();
}
function put(item: UploadItem): void {
  items = [...items.filter(({ key }) => key !== item.key), item];
  for (const listener of listeners) listener();
}
function drop(key: string): void {
  items = items.filter((one) => one.key !== key);
  for (const listener of listeners) listener();
}

/** Of all projects; the array is another one after each change. */
export const uploads = {
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  items: (): UploadItem[] => items,
  /** Called for each that arrives. */
  onArrived(listener: (item: UploadItem) => void): () => void {
    arrived.add(listener);
    return () => arrived.delete(listener);
  },
};

/** What an earlier visit of this page left: shown once for each project. */
export function restoreUploads(projectId: string): void {
  if (restored.has(projectId)) return;
  restored.add(projectId);
  const old = Date.now() - UPLOAD_EXPIRES_MS;
  change(projectId, (kept) => {
    for (const [key, one] of Object.entries(kept)) {
      if (one.at < old) delete kept[key];
      else if (!items.some((item) => item.key === `${projectId} ${key}`)) {
        put({
          key: `${projectId} ${key}`,
          projectId,
          path: one.path,
          size: one.size,
          sent: one.sent,
          state: "interrupted",
          error: undefined,
          existing: one.existing,
        });
      }
    }
  });
}

/** `files` with their paths in the project. One that was interrupted goes on. */
export function startUploads(
  projectId: string,
  files: readonly { path: string; file: File }[],
  existing: OnExisting,
): void {
  for (const { path, file } of files) {
    const own = keyOf(path, file);
    const key = `${projectId} ${own}`;
    if (running.has(key)) continue;
    sources.set(key, file);
    const before = keptOf(projectId)[own];
    change(projectId, (kept) => {
      kept[own] = before ?? { url: null, path, size: file.size, sent: 0, at: Date.now(), existing };
    });
    put({
      key,
      projectId,
      path,
      size: file.size,
      sent: before?.sent ?? 0,
      state: "waiting",
      error: undefined,
      existing: before?.existing ?? existing,
    });
  }
  next();
}

/** Of an interrupted one: the file that was chosen again, if it is the same. */
export function resumeUpload(item: UploadItem, file: File): void {
  if (`${item.projectId} ${keyOf(item.path, file)}` === item.key) {
    startUploads(item.projectId, [{ path: item.path, file }], item.existing);
    return;
  }
  const error = new CodedError({
    code: "upload.other-file",
    title: `${file.name} is not the file whose upload was interrupted`,
    why: "Its size or its date is another one; the two would be mixed.",
    fix: "Choose the same file, or cancel this one and upload the new one.",
  });
  set(item.key, { error });
}

export function retryUpload(item: UploadItem, existing: OnExisting = item.existing): void {
  const own = item.key.slice(item.projectId.length + 1);
  change(item.projectId, (kept) => {
    const one = kept[own];
    // Another answer to what is there already is another upload.
    if (one) kept[own] = { ...one, existing, url: existing === item.existing ? one.url : null };
  });
  set(item.key, { state: "waiting", error: undefined, existing });
  next();
}

export function cancelUpload(item: UploadItem): void {
  const own = item.key.slice(item.projectId.length + 1);
  const url = keptOf(item.projectId)[own]?.url;
  void running.get(item.key)?.abort(false);
  running.delete(item.key);
  sources.delete(item.key);
  change(item.projectId, (kept) => delete kept[own]);
  drop(item.key);
  if (url && item.state !== "done")
    // It expires by itself where this does not get through.
    void fetch(url, { method: "DELETE", headers: { "tus-resumable": TUS_VERSION } }).catch(() => {});
  next();
}

export function clearDone(): void {
  items = items.filter(({ state }) => state !== "done");
  for (const listener of listeners) listener();
}

function next(): void {
  while (running.size < AT_ONCE) {
    const item = items.find(({ state, key }) => state === "waiting" && !running.has(key));
    if (!item) return;
    const file = sources.get(item.key);
    if (file) void begin(item, file);
    else set(item.key, { state: "interrupted" });
  }
}

/** What the hub or the project said, out of tus' own words. */
function causeOf(error: unknown): unknown {
  const body = (error as { originalResponse?: { getBody(): string } | null }).originalResponse?.getBody();
  if (body) {
    try {
      return new CodedError(problemSchema.parse(JSON.parse(body)));
    } catch {
      // Not one of ours: told below.
    }
  }
  return new CodedError({
    code: "upload.broke",
    title: "The upload broke off",
    why: error instanceof Error ? error.message.slice(0, 300) : String(error),
    fix: "Try again: it goes on where it was.",
  });
}

/** Adds the hash of each part to its request; the next part's is made while that one is on its way. */
function hashing(inner: HttpStack, file: File): HttpStack {
  const hashOf = async (part: Blob) => await sha256(new Uint8Array(await part.arrayBuffer()));
  let ahead: { start: number; size: number; hash: Promise<string> } | undefined;
  return {
    getName: () => inner.getName(),
    createRequest(method, url) {
      const request: HttpRequest = inner.createRequest(method, url);
      const send = request.send.bind(request);
      request.send = async (body?: Blob) => {
        if (body && body.size > 0) {
          const start = Number(request.getHeader("Upload-Offset") ?? 0);
          const known = ahead?.start === start && ahead.size === body.size ? ahead.hash : undefined;
          request.setHeader("Upload-Checksum", await (known ?? hashOf(body)));
          const end = start + body.size;
          const next = file.slice(end, end + body.size);
          ahead = next.size > 0 ? { start: end, size: next.size, hash: hashOf(next) } : undefined;
          // A file that can no longer be read is told of when its part is sent.
          ahead?.hash.catch(() => {});
        }
        return await send(body);
      };
      return request;
    },
  };
}

async function begin(item: UploadItem, file: File): Promise<void> {
  const { key, projectId } = item;
  const own = key.slice(projectId.length + 1);
  const remember = (edit: { url?: string; sent?: number }) =>
    change(projectId, (kept) => {
      const one = kept[own];
      if (one) kept[own] = { ...one, ...edit, at: Date.now() };
    });
  // Taken at once, so that the next round does not begin it a second time.
  running.set(key, undefined as never);
  set(key, { state: "sending" });
  const { Upload, DefaultHttpStack } = await import("tus-js-client");
  const before = keptOf(projectId)[own]?.url;
  let partBegan = performance.now();
  const partTook = (ms: number) => {
    upload.options.chunkSize = nextChunkBytes(upload.options.chunkSize ?? UPLOAD_CHUNK_BYTES, ms);
    partBegan = performance.now();
  };
  const upload = new Upload(file, {
    endpoint: uploadsUrl(projectId),
    ...(before ? { uploadUrl: before } : {}),
    chunkSize: UPLOAD_CHUNK_BYTES,
    retryDelays: RETRY_MS,
    storeFingerprintForResuming: false,
    uploadDataDuringCreation: file.size <= UPLOAD_CHUNK_BYTES,
    httpStack: hashing(new DefaultHttpStack({} as never), file),
    headers: {
      "Upload-Metadata": [
        `path ${toBase64(pathBytes(item.path))}`,
        `exists ${btoa(item.existing)}`,
        `modified ${btoa(String(file.lastModified))}`,
      ].join(","),
    },
    onUploadUrlAvailable() {
      if (upload.url) remember({ url: new URL(upload.url, location.href).pathname });
    },
    onProgress: (sent) => set(key, { sent }),
    onChunkComplete(_size, sent) {
      remember({ sent });
      partTook(performance.now() - partBegan);
    },
    onShouldRetry(error) {
      // On a line that breaks often a smaller part gets through.
      partTook(Number.POSITIVE_INFINITY);
      const cause = causeOf(error) as CodedError;
      if (FINAL.has(cause.code)) return false;
      const status = error.originalResponse?.getStatus() ?? 0;
      return status < 400 || [404, 409, 423, 429, 460].includes(status) || status >= 500;
    },
    onSuccess() {
      finish();
      change(projectId, (kept) => delete kept[own]);
      sources.delete(key);
      set(key, { state: "done", sent: item.size });
      for (const listener of arrived) listener(item);
      next();
    },
    onError(error) {
      finish();
      set(key, { state: "failed", error: causeOf(error) });
      next();
    },
  });
  const finish = () => {
    if (running.get(key) === upload) running.delete(key);
  };
  if (!running.has(key)) return;
  running.set(key, upload);
  upload.start();
}
