/** Grants towards hosts, signed once in 30 s for each user, project and port: signing costs as much as proxying. */
import type { KeyObject } from "node:crypto";
import {
  type Grant,
  PROXY_GRANT_REUSE_SECONDS,
  PROXY_GRANT_SECONDS,
  signGrant,
} from "../../contract/grants.ts";

export interface GrantCache {
  proxy(input: { account_id: string; project_id: string; port: number; host_id: string }): Promise<string>;
  sign(grant: Grant, hostId: string, seconds: number): Promise<string>;
}

export function createGrantCache(key: KeyObject, hubId: string): GrantCache {
  const cache = new Map<string, { grant: Promise<string>; until: number }>();
  const sign = (grant: Grant, hostId: string, seconds: number) =>
    signGrant(grant, { key: key as never, hubId, hostId, seconds });
  return {
    sign,
    proxy({ account_id, project_id, port, host_id }) {
      const id = `${account_id} ${project_id} ${port} ${host_id}`;
      const now = Date.now();
      const known = cache.get(id);
      if (known && known.until > now) return known.grant;
      if (cache.size > 10_000) cache.clear();
      const grant = sign({ kind: "proxy", sub: account_id, project_id, port }, host_id, PROXY_GRANT_SECONDS);
      cache.set(id, { grant, until: now + PROXY_GRANT_REUSE_SECONDS * 1000 });
      return grant;
    },
  };
}
