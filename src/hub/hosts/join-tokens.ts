/** Join tokens: made once, shown once; the hub keeps the public half of the key that its secret derives to. */

import type { JoinToken } from "../../contract/api.ts";
import { encodeJoinToken, JOIN_TOKEN_MINUTES, pairingKeyInfo } from "../../contract/join-token.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { deriveKeyPair } from "../../core/ssh-keys.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { JoinTokenTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";

export interface HubIdentity {
  hub_id: string;
  /** Best first. */
  addresses(): string[];
  https_port: number;
  sshd_port: number;
  ssh_fingerprint(): string;
  /** Login name for sshd. */
  ssh_user: string;
  tls_pin: () => string;
}

export type JoinTokens = ReturnType<typeof createJoinTokens>;

function toToken(row: JoinTokenTable): JoinToken {
  return {
    token_id: row.token_id,
    created_at: row.created_at,
    expires_at: row.expires_at,
    used_by_host_id: row.used_by_host_id,
    used_at: row.used_at,
    revoked: row.revoked === 1,
  };
}

export function createJoinTokens(db: Db, deps: { identity: HubIdentity; audit: Audit; events: Events }) {
  return {
    async create(
      caller: Caller,
      kind: "local" | "self-host",
      minutes = JOIN_TOKEN_MINUTES,
    ): Promise<JoinToken & { token: string }> {
      assertAdmin(caller);
      const secret = randomToken(32);
      const pair = deriveKeyPair(Buffer.from(secret, "base64url"), pairingKeyInfo);
      const now = Date.now();
      const expires = new Date(now + minutes * 60_000);
      const row: JoinTokenTable = {
        token_id: newId(),
        kind,
        public_key: pair.publicLine,
        created_by: caller.account_id,
        created_at: new Date(now).toISOString(),
        expires_at: expires.toISOString(),
        bound_key: null,
        used_by_host_id: null,
        used_at: null,
        revoked: 0,
      };
      await db.insertInto("join_tokens").values(row).execute();
      await deps.audit.write(caller.name, "join-token.create", row.token_id, { kind });
      deps.events.changed("token", row.token_id);
      const { identity } = deps;
      const token = encodeJoinToken({
        v: 1,
        token_id: row.token_id,
        hub_id: identity.hub_id,
        kind,
        addresses: kind === "local" ? ["127.0.0.1"] : identity.addresses(),
        https_port: identity.https_port,
        sshd_port: identity.sshd_port,
        ssh_fingerprint: identity.ssh_fingerprint(),
        ssh_user: identity.ssh_user,
        tls_pin: identity.tls_pin(),
        secret,
        iat: Math.floor(now / 1000),
        exp: Math.floor(expires.getTime() / 1000),
      });
      return { ...toToken(row), token };
    },
    async list(caller: Caller): Promise<JoinToken[]> {
      assertAdmin(caller);
      const rows = await db
        .selectFrom("join_tokens")
        .selectAll()
        .where("kind", "=", "self-host")
        .orderBy("created_at", "desc")
        .limit(100)
        .execute();
      return rows.map(toToken);
    },
    async revoke(caller: Caller, tokenId: string): Promise<void> {
      assertAdmin(caller);
      const result = await db
        .updateTable("join_tokens")
        .set({ revoked: 1 })
        .where("token_id", "=", tokenId)
        .executeTakeFirst();
      if (result.numUpdatedRows !== 1n) throw notFound("join-token", tokenId);
      await deps.audit.write(caller.name, "join-token.revoke", tokenId);
      deps.events.changed("token", tokenId);
    },
    /** Keys that may pair now, for sshd's authorized_keys. */
    async live(): Promise<{ token_id: string; public_key: string; expires_at: string }[]> {
      return await db
        .selectFrom("join_tokens")
        .select(["token_id", "public_key", "expires_at"])
        .where("revoked", "=", 0)
        .where("kind", "=", "self-host")
        .where("expires_at", ">", new Date().toISOString())
        .execute();
    },
    /**
     * Binds a token to the first host key that comes with it. The same key may come again until it expires (its
     * first answer may have been lost); another is refused. Errors: `join.token-unknown|expired|used|revoked`.
     */
    async bind(tokenId: string, hostKey: string): Promise<JoinTokenTable> {
      const refuse = (code: string, why: string) =>
        new CodedError({
          code: `join.token-${code}`,
          title: "The hub refuses this join token",
          why,
          fix: "Make a new one on the hub: Hosts, Add a machine.",
          status: 403,
          exit: EX.NOPERM,
        });
      const row = await db
        .selectFrom("join_tokens")
        .selectAll()
        .where("token_id", "=", tokenId)
        .executeTakeFirst();
      if (!row) throw refuse("unknown", "It was not made by this hub.");
      if (row.revoked) throw refuse("revoked", "It was revoked.");
      if (row.expires_at < new Date().toISOString()) {
        const minutes = Math.round((Date.parse(row.expires_at) - Date.parse(row.created_at)) / 60_000);
        throw refuse("expired", `It was valid for ${minutes} minutes, until ${row.expires_at}.`);
      }
      const bound = await db
        .updateTable("join_tokens")
        .set({ bound_key: hostKey, used_at: row.used_at ?? new Date().toISOString() })
        .where("token_id", "=", tokenId)
        .where((eb) => eb.or([eb("bound_key", "is", null), eb("bound_key", "=", hostKey)]))
        .executeTakeFirst();
      if (bound.numUpdatedRows !== 1n)
        throw refuse("used", "Another machine joined with it: a token is for one.");
      return { ...row, bound_key: hostKey };
    },
    /** The public half of a token's key, whatever its state: {@link bind} judges that. */
    async keyOf(tokenId: string): Promise<string | undefined> {
      const row = await db
        .selectFrom("join_tokens")
        .select("public_key")
        .where("token_id", "=", tokenId)
        .executeTakeFirst();
      return row?.public_key;
    },
    async usedBy(tokenId: string, hostId: string): Promise<void> {
      await db
        .updateTable("join_tokens")
        .set({ used_by_host_id: hostId })
        .where("token_id", "=", tokenId)
        .execute();
      deps.events.changed("token", tokenId);
    },
  };
}
