/** From a request's headers to its caller: session cookie (either door's) or API key. */
import type { Db } from "../db/open.ts";
import type { Accounts } from "./accounts.ts";
import type { Auth } from "./auth.ts";
import type { Caller } from "./caller.ts";

export interface Authenticator {
  /** The caller, or null. `secure`: the request came over TLS, so only the `__Host-` cookie counts. */
  authenticate(headers: Headers, secure: boolean): Promise<Caller | null>;
  listKeys(
    caller: Caller,
  ): Promise<{ id: string; name: string; start: string; created_at: string; last_used_at: string | null }[]>;
  createKey(caller: Caller, name: string): Promise<{ id: string; name: string; key: string }>;
  deleteKey(caller: Caller, id: string): Promise<void>;
  /** Somebody signed out, was suspended, or changed role: nothing is believed on memory any more. */
  forget(): void;
}

/** A verified key or session is believed this long, so that a proxied request does not cost three queries. */
const CACHE_MS = 5_000;

export function createAuthenticator(
  db: Db,
  accounts: Accounts,
  auths: { secure: Auth; loopback: Auth },
): Authenticator {
  const cache = new Map<string, { caller: Caller | null; until: number }>();

  async function lookup(headers: Headers, secure: boolean): Promise<Caller | null> {
    const bearer = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
    let userId: string | undefined;
    let via: Caller["via"] = "cookie";
    if (bearer !== undefined) {
      const result = await auths.secure.api.verifyApiKey({ body: { key: bearer } });
      if (result.valid && result.key) userId = result.key.referenceId;
      via = "key";
    } else {
      const session = await auths[secure ? "secure" : "loopback"].api.getSession({ headers });
      userId = session?.user.id;
    }
    if (userId === undefined) return null;
    const account = await accounts.byId(userId);
    if (!account || account.suspended) return null;
    const { account_id, name, email } = account;
    return { account_id, name, email, admin: account.role === "admin", via };
  }

  return {
    async authenticate(headers, secure) {
      const authorization = headers.get("authorization");
      const cookie = headers.get("cookie");
      if (!authorization && !cookie) return null;
      // All that decides is in the key: with one of the two alone, somebody's `Authorization: Basic x` would bring
      // the caller whose cookie came beside the same header a moment before.
      const key = JSON.stringify([secure, authorization, cookie]);
      const now = Date.now();
      const hit = cache.get(key);
      if (hit && hit.until > now) return hit.caller;
      const caller = await lookup(headers, secure);
      if (cache.size > 5_000) cache.clear();
      // A refusal is not remembered: the next moment may bring the sign-in.
      if (caller) cache.set(key, { caller, until: now + CACHE_MS });
      else cache.delete(key);
      return caller;
    },
    async listKeys(caller) {
      const rows = await db
        .selectFrom("apikey")
        .select(["id", "name", "start", "createdAt", "lastRequest"])
        .where("referenceId", "=", caller.account_id)
        .orderBy("createdAt")
        .execute();
      return rows.map((row) => ({
        id: row.id,
        name: row.name ?? "",
        start: row.start ?? "",
        created_at: new Date(row.createdAt).toISOString(),
        last_used_at: row.lastRequest === null ? null : new Date(row.lastRequest).toISOString(),
      }));
    },
    async createKey(caller, name) {
      const created = await auths.secure.api.createApiKey({ body: { name, userId: caller.account_id } });
      return { id: created.id, name: created.name ?? name, key: created.key };
    },
    async deleteKey(caller, id) {
      await db
        .deleteFrom("apikey")
        .where("id", "=", id)
        .where("referenceId", "=", caller.account_id)
        .execute();
      cache.clear();
    },
    forget: () => cache.clear(),
  };
}
