/** Grants towards hosts, signed once in 30 s for each user, project and port: signing costs as much as proxying. */
import type { KeyObject } from "node:crypto";
import type { AppTarget } from "../../contract/apps.ts";
import {
  type Grant,
  PROXY_GRANT_REUSE_SECONDS,
  PROXY_GRANT_SECONDS,
  signGrant,
} from "../../contract/grants.ts";

export interface GrantCache {
  proxy(input: { sub: string; project_id: string; target: AppTarget; host_id: string }): Promise<string>;
  files(input: {
    account_id: string;
    project_id: string;
    access: "read" | "write";
    /** Of a viewer. */
    paths?: string[] | undefined;
    host_id: string;
  }): Promise<string>;
  sign(grant: Grant, hostId: string, seconds: number): Promise<string>;
}

export function createGrantCache(key: KeyObject, hubId: string): GrantCache {
  const cache = new Map<string, { grant: Promise<string>; until: number }>();
  const sign = (grant: Grant, hostId: string, seconds: number) =>
    signGrant(grant, { key: key as never, hubId, hostId, seconds });
  const cached = (id: string, grant: Grant, hostId: string): Promise<string> => {
    const now = Date.now();
    const known = cache.get(id);
    if (known && known.until > now) return known.grant;
    if (cache.size > 10_000) cache.clear();
    const signed = sign(grant, hostId, PROXY_GRANT_SECONDS);
    cache.set(id, { grant: signed, until: now + PROXY_GRANT_REUSE_SECONDS * 1000 });
    return signed;
  };
  return {
    sign,
    proxy: ({ sub, project_id, target, host_id }) =>
      cached(
        JSON.stringify([sub, project_id, target, host_id]),
        { kind: "proxy", sub, project_id, target },
        host_id,
      ),
    files: ({ account_id, project_id, access, paths, host_id }) =>
      cached(
        JSON.stringify([account_id, project_id, access, paths ?? null, host_id]),
        { kind: "files", sub: account_id, project_id, access, ...(paths ? { paths } : {}) },
        host_id,
      ),
  };
}
