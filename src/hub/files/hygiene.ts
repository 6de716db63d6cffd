/**
 * What of a request for files the project sees, and what of its answer a browser sees. The agent runs inside the project
 * and its word is hostile: an answer on the hub's own origin gets its headers from here, never from there. Pure.
 */
import { type FilesVerb, previewType, UPLOAD_PATH_HEADER } from "../../contract/files-http.ts";
import { GRANT_HEADER } from "../../contract/grants.ts";
import type { RawHeader } from "../../core/relay/headers.ts";

const OUT =
  /^(content-(type|length)|range|if-(range|none-match)|expect|tus-resumable|upload-(offset|length|metadata|checksum))$/i;

export function headersToAgent(headers: RawHeader[], grant: string): RawHeader[] {
  return [...headers.filter(([name]) => OUT.test(name)), ["Host", "files"], [GRANT_HEADER, grant]];
}

const BACK: readonly RegExp[] = [
  /^content-length$/i,
  /^content-range$/i,
  /^accept-ranges$/i,
  /^etag$/i,
  /^last-modified$/i,
  /^tus-(resumable|version|extension|checksum-algorithm)$/i,
  /^upload-(offset|length|expires)$/i,
  new RegExp(`^${UPLOAD_PATH_HEADER}$`, "i"),
];

/** Everything that an attacker could want of a page is off; who may frame it is the UI alone. */
const NOTHING = "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
/** A page's own styles and pictures, nothing from any network, an origin of its own that is nobody's. */
const STILL = `${NOTHING}; sandbox; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:`;
/** The same with its own scripts: they run, and reach nothing. */
const MOVING = `${NOTHING}; sandbox allow-scripts; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src blob:`;
/** A browser's own viewer does not come up in a sandbox. The type is said here and not to be guessed, so this is no page. */
const PDF = `${NOTHING}; object-src 'self'; style-src 'unsafe-inline'`;

export interface FilesAsk {
  verb: FilesVerb;
  project_id: string;
  /** Of a preview. */
  path: string | undefined;
  /** Of a preview: its own scripts may run. */
  scripts: boolean;
}

const ATTACHMENT = /^attachment; filename\*=UTF-8''[A-Za-z0-9._~%-]{1,1000}$/;

export function headersFromAgent(headers: RawHeader[], status: number, ask: FilesAsk): RawHeader[] {
  const kept = headers.filter(([name]) => BACK.some((one) => one.test(name)));
  const said = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
  const add = (name: string, value: string) => kept.push([name, value]);
  add("X-Content-Type-Options", "nosniff");
  add("Cross-Origin-Resource-Policy", "same-origin");
  add("Referrer-Policy", "no-referrer");
  // Kept by the browser alone, and asked about each time: the right to it may have ended.
  add("Cache-Control", status < 300 && ask.verb !== "uploads" ? "private, no-cache" : "no-store");
  const location = said("location");
  if (location && new RegExp(`^/${ask.project_id}/files/uploads/[a-f0-9]{32}$`).test(location))
    add("Location", location);
  const fine = status >= 200 && status < 300;
  const type = fine && ask.verb === "preview" ? previewType(ask.path ?? "") : undefined;
  if (type !== undefined) {
    add("Content-Type", type);
    add("Content-Security-Policy", type === "application/pdf" ? PDF : ask.scripts ? MOVING : STILL);
    return kept;
  }
  add("Content-Security-Policy", `${NOTHING}; sandbox`);
  if (!fine) {
    add("Content-Type", "application/problem+json");
    return kept;
  }
  if (ask.verb === "uploads") return kept;
  const disposition = said("content-disposition") ?? "";
  add("Content-Type", "application/octet-stream");
  add("Content-Disposition", ATTACHMENT.test(disposition) ? disposition : "attachment");
  return kept;
}
