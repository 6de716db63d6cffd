/**
 * Whether a request may be served at all, before anything looks at it. Cookies ignore ports and project pages live on
 * another port of the same name: so a cookie alone proves nothing, and the browser's own word on where a request
 * comes from (Sec-Fetch-Site, Origin) is demanded for whatever reads or changes something. Pure.
 */
import { UPLOAD_CONTENT_TYPE } from "../../contract/files-http.ts";
import type { ProblemDetails } from "../../core/errors.ts";

export interface RequestShape {
  method: string;
  /** `Host`, as it came. */
  host: string | undefined;
  origin: string | undefined;
  secFetchSite: string | undefined;
  secFetchMode: string | undefined;
  contentType: string | undefined;
  hasBody: boolean;
  hasCookie: boolean;
  hasBearer: boolean;
  upgrade: boolean;
  /** `api`, `files`: reads or changes something. `public`: for machines and anybody. `page`: the UI's own files. */
  kind: "api" | "files" | "public" | "page";
}

export interface Door {
  scheme: "http" | "https";
  /** `Host` values that are ours, lower case, with port. */
  hosts: ReadonlySet<string>;
  /** It is reached at the far end of a tunnel, where it has another port: the names count alone. */
  anyPort?: boolean;
}

function isOurs(host: string, door: Door): boolean {
  if (door.hosts.has(host)) return true;
  const name = host.replace(/:\d+$/, "");
  return door.anyPort === true && [...door.hosts].some((one) => one.replace(/:\d+$/, "") === name);
}

function refuse(code: string, status: number, title: string, why: string, fix: string): ProblemDetails {
  return { code, status, title, why, fix };
}

/** undefined: it may be served. */
export function judgeRequest(request: RequestShape, door: Door): ProblemDetails | undefined {
  const host = request.host?.toLowerCase();
  if (host === undefined || !isOurs(host, door)) {
    return refuse(
      "request.wrong-host",
      421,
      "This hub does not go by that name",
      `The request is for ${request.host ?? "no host"}.`,
      "Open it by one of its own names, or set public_host in the settings to this one.",
    );
  }
  const own = `${door.scheme}://${host}`;
  const foreign = request.origin !== undefined && request.origin.toLowerCase() !== own;
  // A key in a header is not sent by a browser on its own: no page can borrow it.
  if (request.hasBearer && !request.hasCookie) return undefined;
  if (request.upgrade) {
    if (request.origin === undefined || foreign) {
      return refuse(
        "request.wrong-origin",
        403,
        "A WebSocket from another origin is refused",
        `Origin is ${request.origin ?? "missing"}, and must be ${own}.`,
        "Open the page from the hub itself.",
      );
    }
    return undefined;
  }
  if (request.kind === "public") return undefined;
  const navigation =
    request.secFetchMode === "navigate" && (request.method === "GET" || request.method === "HEAD");
  if (request.kind === "page") return undefined;
  if (foreign) {
    return refuse(
      "request.wrong-origin",
      403,
      "A request from another origin is refused",
      `Origin is ${request.origin}, and must be ${own}.`,
      "Scripts use an API key: Authorization: Bearer …",
    );
  }
  if (request.secFetchSite !== "same-origin" && !(navigation && request.secFetchSite !== undefined)) {
    return refuse(
      "request.not-same-origin",
      403,
      "A request from elsewhere is refused",
      `Sec-Fetch-Site is ${request.secFetchSite ?? "missing"}, and must be same-origin.`,
      "Scripts use an API key: Authorization: Bearer …",
    );
  }
  const changes = request.method !== "GET" && request.method !== "HEAD";
  if (request.kind === "files") {
    // No form can send this one: what a browser posts to us on its own is never an upload.
    if (!changes || !request.hasBody || request.contentType === UPLOAD_CONTENT_TYPE) return undefined;
    return refuse(
      "request.not-upload",
      415,
      "An upload has a type of its own",
      `Content-Type is ${request.contentType ?? "missing"}.`,
      `Send ${UPLOAD_CONTENT_TYPE}, as tus clients do.`,
    );
  }
  if (changes && request.hasBody && !/^application\/json\b/i.test(request.contentType ?? "")) {
    return refuse(
      "request.not-json",
      415,
      "Changes are sent as JSON",
      `Content-Type is ${request.contentType ?? "missing"}.`,
      "Send application/json.",
    );
  }
  return undefined;
}
