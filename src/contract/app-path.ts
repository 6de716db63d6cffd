/**
 * `/<project_id>/proxy/<port>/…` (prefix stripped), `/<project_id>/port/<port>/…` (kept) and `/<project_id>/apps/<app>/…`
 * (a managed app). One function for hub and host, for requests and upgrades, on the raw URL: what is escaped here is
 * not unescaped there.
 */
import { type AppTarget, appNameSchema } from "./apps.ts";

export interface AppPath {
  project_id: string;
  kind: "proxy" | "port" | "apps";
  target: AppTarget;
  /** `/<project_id>/<kind>/<port or app>` */
  prefix: string;
  /** Raw path and query behind the prefix, beginning with `/`; empty where the closing slash is missing. */
  rest: string;
}

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const PATTERN = new RegExp(`^/(${ID})/(?:(proxy|port)/([1-9][0-9]{0,4})|(apps)/([a-z][a-z0-9-]*))([/?].*)?$`);

export function parseAppPath(url: string): AppPath | undefined {
  const match = PATTERN.exec(url);
  if (!match) return undefined;
  const [, project_id = "", ported, digits = "", , app = "", tail = ""] = match;
  const kind = (ported ?? "apps") as AppPath["kind"];
  const port = Number(digits);
  if (kind === "apps" ? !appNameSchema.safeParse(app).success : port > 65535) return undefined;
  if (!isPlainPath(tail)) return undefined;
  const prefix = `/${project_id}/${kind}/${kind === "apps" ? app : digits}`;
  const rest = tail.startsWith("?") ? `/${tail}` : tail;
  return { project_id, kind, target: kind === "apps" ? { app } : { port }, prefix, rest };
}

/** A dot segment, plain or escaped, could leave the prefix on the far side. */
export function isPlainPath(raw: string): boolean {
  return !/(^|\/|%2f)(\.|%2e){1,2}(\/|%2f|$)/i.test(raw.split("?")[0] ?? "");
}

/** Whether a URL is about one project's pages at all: `/<project_id>/…`. */
export function leadingId(url: string): string | undefined {
  return new RegExp(`^/(${ID})(?=/|$|\\?)`).exec(url)?.[1];
}
