/**
 * Where a project's pages are: each project is to have an origin of its own, because `Path` is no boundary between
 * pages of one origin. `<project_id>.localhost` on the hub's own machine; a host name below the admin's wildcard; else a
 * port of the hub's name (a shard), leased to one project per person; last and only when asked, one origin for all. Pure.
 */
import { isUuid } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { DoorInfo } from "../server/doors.ts";

export type Place =
  /** A host name of the project's own. */
  | { kind: "own"; project_id: string }
  | { kind: "shard"; shard: number }
  | { kind: "shared" }
  /** `localhost` on the loopback door: no project's, but a person may have typed it. */
  | { kind: "bare" };

/** `*.apps.example.org` with the port people reach it by, if it is not the apps door's own. */
export interface Wildcard {
  suffix: string;
  port: number | undefined;
}

/** @example parseWildcard("*.apps.example.org:443") */
export function parseWildcard(setting: string): Wildcard | undefined {
  const match = /^\*\.([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::([0-9]{1,5}))?$/i.exec(setting);
  if (!match) return undefined;
  return { suffix: (match[1] ?? "").toLowerCase(), port: match[2] ? Number(match[2]) : undefined };
}

/** undefined: the request's `Host` is no name of ours (DNS rebinding), or none for this door. */
export function placeOf(
  hostHeader: string | undefined,
  door: Pick<DoorInfo, "secure" | "port" | "shard" | "hosts">,
  wildcard: Wildcard | undefined,
): Place | undefined {
  const host = (hostHeader ?? "").toLowerCase();
  if (!door.secure) {
    const id = host.endsWith(`.localhost:${door.port}`) ? (host.split(".")[0] ?? "") : "";
    if (isUuid(id) && host === `${id}.localhost:${door.port}`) return { kind: "own", project_id: id };
    return door.hosts.has(host) ? { kind: "bare" } : undefined;
  }
  if (wildcard !== undefined && door.shard === undefined) {
    const name = host.replace(/:\d+$/, "");
    const id = name.split(".")[0] ?? "";
    if (isUuid(id) && name === `${id}.${wildcard.suffix}`) return { kind: "own", project_id: id };
  }
  if (!door.hosts.has(host)) return undefined;
  return door.shard === undefined ? { kind: "shared" } : { kind: "shard", shard: door.shard };
}

/** As the browser names it. `name`: how the hub was reached. */
export function originOf(
  where: { kind: "own"; project_id: string } | { kind: "shard"; shard: number } | { kind: "shared" },
  from: { secure: boolean; name: string },
  ports: Ports,
  wildcard: Wildcard | undefined,
): string {
  if (where.kind === "own") {
    if (!from.secure) return `http://${where.project_id}.localhost:${ports.loopbackApps}`;
    const port = wildcard?.port ?? ports.apps;
    return `https://${where.project_id}.${wildcard?.suffix}${port === 443 ? "" : `:${port}`}`;
  }
  return `https://${from.name}:${where.kind === "shard" ? ports.firstShard + where.shard : ports.apps}`;
}
