/**
 * `/<project_id>/proxy/<port>/…` (prefix stripped) and `/<project_id>/port/<port>/…` (kept). One function for hub and
 * host, for requests and upgrades, on the raw URL: what is escaped here is not unescaped there.
 */
export interface AppPath {
  project_id: string;
  kind: "proxy" | "port";
  port: number;
  /** `/<project_id>/<kind>/<port>` */
  prefix: string;
  /** Raw path and query behind the prefix, beginning with `/`; empty where the closing slash is missing. */
  rest: string;
}

const PATTERN =
  /^\/([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\/(proxy|port)\/([1-9][0-9]{0,4})([/?].*)?$/;

export function parseAppPath(url: string): AppPath | undefined {
  const match = PATTERN.exec(url);
  if (!match) return undefined;
  const [, project_id = "", kind = "", digits = "", tail = ""] = match;
  const port = Number(digits);
  if (port > 65535) return undefined;
  // A dot segment, plain or escaped, could leave the prefix on the far side.
  const path = tail.split("?")[0] ?? "";
  if (/(^|\/|%2f)(\.|%2e){1,2}(\/|%2f|$)/i.test(path)) return undefined;
  const prefix = `/${project_id}/${kind}/${digits}`;
  const rest = tail.startsWith("?") ? `/${tail}` : tail;
  return { project_id, kind: kind as AppPath["kind"], port, prefix, rest };
}

/** Whether a URL is about one project's pages at all: `/<project_id>/…`. */
export function leadingId(url: string): string | undefined {
  const match =
    /^\/([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?=\/|$|\?)/.exec(url);
  return match?.[1];
}
