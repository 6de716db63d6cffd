/** Whether a request with a cookie comes from the app's own pages. Another project's page is another site to us. Pure. */
import type { IncomingHttpHeaders } from "node:http";
import { CodedError } from "../../core/errors.ts";

/** Elements by which a page shows another inside itself. */
const FRAMES = new Set(["iframe", "frame", "embed", "object", "fencedframe"]);

/** Throws `app.foreign-origin`. A missing `Sec-Fetch-Site` is an old browser's: Origin then decides alone. */
export function judgeAppRequest(
  headers: IncomingHttpHeaders,
  method: string | undefined,
  scheme: "http" | "https",
  upgrade: boolean,
): void {
  const own = `${scheme}://${(headers.host ?? "").toLowerCase()}`;
  const { origin } = headers;
  const site = headers["sec-fetch-site"];
  const foreignOrigin = origin !== undefined && origin.toLowerCase() !== own;
  const foreignSite = typeof site === "string" && site !== "same-origin" && site !== "none";
  const opened =
    headers["sec-fetch-mode"] === "navigate" &&
    (method === "GET" || method === "HEAD") &&
    !FRAMES.has(String(headers["sec-fetch-dest"] ?? ""));
  const refused = upgrade ? origin === undefined || foreignOrigin : !opened && (foreignOrigin || foreignSite);
  if (refused) {
    throw new CodedError({
      code: "app.foreign-origin",
      title: "A request from another origin is refused",
      status: 403,
    });
  }
}
