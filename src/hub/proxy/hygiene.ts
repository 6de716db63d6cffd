/** What of a request an app may see, and what of an app's answer a browser may see. Pure. */
import { type AppPlace, AT_HEADER, WANTS_ROOT_HEADER } from "../../contract/apps.ts";
import { GRANT_HEADER } from "../../contract/grants.ts";
import { shortId } from "../../core/paths.ts";
import type { RawHeader } from "../../core/relay/headers.ts";

/** Cookies of ours, whatever case and prefix: never an app's to see or to set. */
const RESERVED_COOKIE = /^\s*(__(host|secure)-)?cocalc/i;
/** Ours to say; what a client sends under these names is dropped. */
const FORWARDED = /^(x-forwarded-.*|forwarded|x-real-ip|cocalc-.*)$/i;
/** What an app might turn against its neighbours on the same origin, or against the hub. */
const DROPPED_BACK = new Set([
  "service-worker-allowed",
  "clear-site-data",
  "strict-transport-security",
  "alt-svc",
]);
/** Answers that a browser may show as a document. */
const DOCUMENT = /html|xml|svg/i;

export function withoutReservedCookies(value: string): string {
  return value
    .split(";")
    .filter((part) => !RESERVED_COOKIE.test(part))
    .join(";")
    .trim();
}

/**
 * At the root of a shard an app's cookies have the path `/`, and cookies ignore ports: so those that no script needs
 * to see are kept under a name that only this project's requests carry on to an app.
 */
const ownCookie = (projectId: string) => `cocalc_of_${shortId(projectId)}_`;

function ownNamesBack(value: string, projectId: string): string {
  const prefix = ownCookie(projectId);
  return value
    .split("; ")
    .map((part) => (part.startsWith(prefix) ? part.slice(prefix.length) : part))
    .join("; ");
}

export interface Forwarding {
  grant: string;
  at: AppPlace;
  project_id: string;
  address: string;
  host: string;
  scheme: "http" | "https";
  /** The API key that opened the gateway is not the app's to see. */
  dropAuthorization: boolean;
}

export function headersToHost(headers: RawHeader[], forwarding: Forwarding): RawHeader[] {
  const out: RawHeader[] = [];
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (FORWARDED.test(key)) continue;
    if (key === "authorization" && forwarding.dropAuthorization) continue;
    if (key === "cookie") {
      const mine = forwarding.at === "root" ? ownNamesBack(value, forwarding.project_id) : value;
      const kept = withoutReservedCookies(mine);
      if (kept !== "") out.push([name, kept]);
      continue;
    }
    out.push([name, value]);
  }
  out.push(
    ["X-Forwarded-For", forwarding.address],
    ["X-Forwarded-Proto", forwarding.scheme],
    ["X-Forwarded-Host", forwarding.host],
    [AT_HEADER, forwarding.at],
    [GRANT_HEADER, forwarding.grant],
  );
  return out;
}

/** A cookie of an app stays with its project: no wider path, and no other name of this machine's domain. */
export function confinedCookie(value: string, projectId: string): string {
  const root = `/${projectId}/`;
  return withoutDomain(value)
    .split(";")
    .map((part, at) => {
      const path = at === 0 ? undefined : /^\s*path\s*=\s*"?(.*?)"?\s*$/i.exec(part)?.[1];
      return path === undefined || path.startsWith(root) ? part : ` Path=${root}`;
    })
    .join(";");
}

function withoutDomain(value: string): string {
  return value
    .split(";")
    .filter((part, at) => at === 0 || !/^\s*domain\s*=/i.test(part))
    .join(";");
}

export interface Shown {
  project_id: string;
  /** It is shown at the root of an origin: of a host name of its own, or of a shard. */
  root: "own" | "shard" | undefined;
  /** What gives the app the root, where it asks for it. */
  rootCookie: string | undefined;
}

function appCookie(value: string, shown: Shown): string {
  if (shown.root === undefined) return confinedCookie(value, shown.project_id);
  const plain = withoutDomain(value);
  const hidden = /;\s*httponly\s*(;|$)/i.test(plain);
  return shown.root === "shard" && hidden ? `${ownCookie(shown.project_id)}${plain.trimStart()}` : plain;
}

export function headersFromHost(headers: RawHeader[], shown: Shown): RawHeader[] {
  const kept: RawHeader[] = [];
  let document = false;
  let opener = false;
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (key === WANTS_ROOT_HEADER && shown.rootCookie !== undefined)
      kept.push(["Set-Cookie", shown.rootCookie]);
    if (DROPPED_BACK.has(key) || key.startsWith("cocalc-")) continue;
    document ||= key === "content-type" && DOCUMENT.test(value);
    opener ||= key === "cross-origin-opener-policy";
    if (key !== "set-cookie") kept.push([name, value]);
    else if (!RESERVED_COOKIE.test(value)) kept.push([name, appCookie(value, shown)]);
  }
  if (document) {
    // No other project's page shows this one inside itself, nor holds on to its window.
    kept.push(["Content-Security-Policy", "frame-ancestors 'self'"]);
    if (!opener) kept.push(["Cross-Origin-Opener-Policy", "same-origin-allow-popups"]);
  }
  return kept;
}
