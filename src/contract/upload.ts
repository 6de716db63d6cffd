/** An upload by tus, for scripts and the command line; a browser uses tus-js-client. */
import { CodedError } from "../core/errors.ts";
import { problemOf } from "./client.ts";
import {
  nextChunkBytes,
  type OnExisting,
  TUS_VERSION,
  UPLOAD_CHUNK_BYTES,
  UPLOAD_CONTENT_TYPE,
  uploadsUrl,
} from "./files-http.ts";
import { pathBytes, toBase64 } from "./path-bytes.ts";

/** Waits between tries while nothing arrives; a part that does begins anew at the first. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000];

export interface UploadSource {
  size: number;
  /** Milliseconds since the epoch. */
  modified?: number;
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

export function uploadMetadata(path: string, existing: OnExisting, modified: number | undefined): string {
  const pairs = [`path ${toBase64(pathBytes(path))}`, `exists ${btoa(existing)}`];
  if (modified !== undefined) pairs.push(`modified ${btoa(String(Math.round(modified)))}`);
  return pairs.join(",");
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `sha256 ${toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}`;
}

/** Whether it may be otherwise in a moment: the line broke, the hub or the host is away, a part was spoiled. */
function passes(error: unknown): boolean {
  if (!(error instanceof CodedError)) return true;
  return [409, 423, 429, 460, 502, 503, 504].includes(error.status) && error.code !== "file.exists";
}

/**
 * Sends a file in parts, each with its hash, and goes on by itself where the line broke, for about a minute without
 * anything arriving. `progress` is told how many bytes have arrived.
 */
export async function uploadFile(
  fetch: (path: string, init: RequestInit) => Promise<Response>,
  to: { project_id: string; path: string; existing: OnExisting },
  source: UploadSource,
  progress: (sent: number) => void = () => {},
): Promise<void> {
  const call = async (url: string, method: string, headers: Record<string, string>, body?: BodyInit) => {
    const response = await fetch(url, {
      method,
      headers: { "tus-resumable": TUS_VERSION, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    if (!response.ok) throw await problemOf(response);
    return response.headers;
  };
  let url: string | undefined;
  let offset = 0;
  let chunk = UPLOAD_CHUNK_BYTES;
  const prepare = async (at: number) => {
    const bytes = await source.read(at, Math.min(chunk, source.size - at));
    return { bytes, checksum: await sha256(bytes) };
  };
  let ahead: { offset: number; part: ReturnType<typeof prepare> } | undefined;
  const partAt = (at: number) => (ahead?.offset === at ? ahead.part : prepare(at));
  const step = async (again: boolean) => {
    if (url === undefined) {
      const made = await call(uploadsUrl(to.project_id), "POST", {
        "upload-length": String(source.size),
        "upload-metadata": uploadMetadata(to.path, to.existing, source.modified),
      });
      url = made.get("location") ?? undefined;
      if (url === undefined)
        throw new CodedError({ code: "upload.malformed", title: "The upload has no address", status: 500 });
    } else if (again) offset = Number((await call(url, "HEAD", {})).get("upload-offset"));
    if (offset >= source.size) return;
    const part = await partAt(offset);
    const began = performance.now();
    const sending = call(
      url,
      "PATCH",
      {
        "content-type": UPLOAD_CONTENT_TYPE,
        "upload-offset": String(offset),
        "upload-checksum": part.checksum,
      },
      part.bytes,
    );
    // The next one is read and hashed while this one is on its way.
    const end = offset + part.bytes.length;
    ahead = end < source.size ? { offset: end, part: prepare(end) } : undefined;
    ahead?.part.catch(() => {});
    offset = Number((await sending).get("upload-offset"));
    if (part.bytes.length === chunk) chunk = nextChunkBytes(chunk, performance.now() - began);
  };
  let failures = 0;
  do {
    try {
      await step(failures > 0);
      failures = 0;
      progress(offset);
    } catch (error) {
      const wait = RETRY_MS[failures++];
      if (wait === undefined || !passes(error)) throw error;
      // On a line that breaks often a smaller part gets through.
      chunk = nextChunkBytes(chunk, Number.POSITIVE_INFINITY);
      ahead = undefined;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  } while (failures > 0 || offset < source.size);
}
