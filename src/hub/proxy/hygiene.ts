/** What of a request an app may see, and what of an app's answer a browser may see. Pure. */
import { GRANT_HEADER } from "../../contract/grants.ts";
import type { RawHeader } from "../../core/relay/headers.ts";

/** Cookies of ours, whatever case and prefix: never an app's to see or to set. */
const RESERVED_COOKIE = /^\s*(__(host|secure)-)?cocalc/i;
/** Ours to say; what a client sends under these names is dropped. */
const FORWARDED = /^(x-forwarded-.*|forwarded|x-real-ip)$/i;
/** What an app might turn against its neighbours on the same origin, or against the hub. */
const DROPPED_BACK = new Set([
  "service-worker-allowed",
  "clear-site-data",
  "strict-transport-security",
  "alt-svc",
  GRANT_HEADER,
]);

export function withoutReservedCookies(value: string): string {
  return value
    .split(";")
    .filter((part) => !RESERVED_COOKIE.test(part))
    .join(";")
    .trim();
}

export interface Forwarding {
  grant: string;
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
    if (key === GRANT_HEADER || FORWARDED.test(key)) continue;
    if (key === "authorization" && forwarding.dropAuthorization) continue;
    if (key === "cookie") {
      const kept = withoutReservedCookies(value);
      if (kept !== "") out.push([name, kept]);
      continue;
    }
    out.push([name, value]);
  }
  out.push(
    ["X-Forwarded-For", forwarding.address],
    ["X-Forwarded-Proto", forwarding.scheme],
    ["X-Forwarded-Host", forwarding.host],
    [GRANT_HEADER, forwarding.grant],
  );
  return out;
}

export function headersFromHost(headers: RawHeader[]): RawHeader[] {
  return headers.filter(([name, value]) => {
    const key = name.toLowerCase();
    if (DROPPED_BACK.has(key)) return false;
    return key !== "set-cookie" || !RESERVED_COOKIE.test(value);
  });
}
