/** Accounts and invitations, behind the caller. */
import { createHash } from "node:crypto";
import type { Account } from "../../contract/api.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { UserTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";
import { hashPassword } from "./auth.ts";
import { assertAdmin, type Caller, notFound } from "./caller.ts";

export const INVITATION_DAYS = 7;
const DAY_MS = 86_400_000;

export interface NewAccount {
  name: string;
  email: string;
  password: string;
  role: "admin" | "user";
}

export type Accounts = ReturnType<typeof createAccounts>;

const hashOf = (secret: string) => createHash("sha256").update(secret).digest("hex");

function toAccount(row: UserTable): Account {
  return {
    account_id: row.id,
    name: row.name,
    email: row.email,
    role: row.role === "admin" ? "admin" : "user",
    suspended: row.suspended === 1,
    created_at: new Date(row.createdAt).toISOString(),
  };
}

export function createAccounts(db: Db, deps: { audit: Audit; events: Events }) {
  async function insert(account: NewAccount): Promise<Account> {
    const email = account.email.trim().toLowerCase();
    const taken = await db.selectFrom("user").select("id").where("email", "=", email).executeTakeFirst();
    if (taken) {
      throw new CodedError({
        code: "account.email-taken",
        title: `There is an account for ${email} already`,
        fix: "Sign in with it, or use another address.",
        status: 409,
        exit: EX.DATAERR,
      });
    }
    const now = new Date().toISOString();
    const id = newId();
    const password = await hashPassword(account.password);
    await db.transaction().execute(async (trx) => {
      await trx
        .insertInto("user")
        .values({
          id,
          name: account.name,
          email,
          emailVerified: 0,
          image: null,
          createdAt: now,
          updatedAt: now,
          role: account.role,
          suspended: 0,
        })
        .execute();
      await trx
        .insertInto("account")
        .values({
          id: newId(),
          accountId: id,
          providerId: "credential",
          userId: id,
          password,
          createdAt: now,
          updatedAt: now,
        })
        .execute();
    });
    deps.events.changed("user", id);
    return {
      account_id: id,
      name: account.name,
      email,
      role: account.role,
      suspended: false,
      created_at: now,
    };
  }

  async function find(caller: Caller, key: string): Promise<UserTable> {
    assertAdmin(caller);
    const row = await db
      .selectFrom("user")
      .selectAll()
      .where((eb) => eb.or([eb("id", "=", key), eb("email", "=", key.toLowerCase())]))
      .executeTakeFirst();
    if (!row) throw notFound("user", key);
    return row;
  }

  return {
    async admins(): Promise<Account[]> {
      const rows = await db
        .selectFrom("user")
        .selectAll()
        .where("role", "=", "admin")
        .orderBy("createdAt")
        .execute();
      return rows.map(toAccount);
    },
    /** For the session lookup alone: no caller yet. */
    async byId(id: string): Promise<Account | undefined> {
      const row = await db.selectFrom("user").selectAll().where("id", "=", id).executeTakeFirst();
      return row && toAccount(row);
    },
    async list(caller: Caller): Promise<Account[]> {
      assertAdmin(caller);
      return (await db.selectFrom("user").selectAll().orderBy("createdAt").execute()).map(toAccount);
    },
    async create(caller: Caller, account: NewAccount): Promise<Account> {
      assertAdmin(caller);
      const created = await insert(account);
      await deps.audit.write(caller.name, "user.create", created.email, { role: created.role });
      return created;
    },
    /** The first account; the setup token was checked by whoever calls. */
    async createFirst(account: Omit<NewAccount, "role">): Promise<Account> {
      const created = await insert({ ...account, role: "admin" });
      await deps.audit.write(created.name, "setup", created.email);
      return created;
    },
    async update(
      caller: Caller,
      key: string,
      change: { role?: "admin" | "user" | undefined; suspended?: boolean | undefined },
    ): Promise<Account> {
      const row = await find(caller, key);
      const weakens = change.role === "user" || change.suspended === true;
      if (weakens && row.role === "admin") {
        const others = await db
          .selectFrom("user")
          .select("id")
          .where("role", "=", "admin")
          .where("suspended", "=", 0)
          .where("id", "!=", row.id)
          .execute();
        if (others.length === 0) {
          throw new CodedError({
            code: "account.last-admin",
            title: `${row.name} is the last admin`,
            why: "Without an admin nobody could manage this hub.",
            fix: "Make somebody else an admin first.",
            status: 409,
            exit: EX.DATAERR,
          });
        }
      }
      await db
        .updateTable("user")
        .set({
          ...(change.role === undefined ? {} : { role: change.role }),
          ...(change.suspended === undefined ? {} : { suspended: change.suspended ? 1 : 0 }),
          updatedAt: new Date().toISOString(),
        })
        .where("id", "=", row.id)
        .execute();
      // A suspended account's sessions end at once.
      if (change.suspended) await db.deleteFrom("session").where("userId", "=", row.id).execute();
      await deps.audit.write(caller.name, "user.update", row.email, { ...change });
      deps.events.changed("user", row.id);
      return toAccount({ ...(await find(caller, row.id)) });
    },
    async rename(caller: Caller, name: string): Promise<void> {
      await db.updateTable("user").set({ name }).where("id", "=", caller.account_id).execute();
      deps.events.changed("user", caller.account_id);
    },
    /** Returns the secret that goes into the link; only its hash is kept. */
    async invite(caller: Caller, role: "admin" | "user"): Promise<{ secret: string; expires_at: string }> {
      assertAdmin(caller);
      const secret = randomToken();
      const expires = new Date(Date.now() + INVITATION_DAYS * DAY_MS).toISOString();
      await db
        .insertInto("invitations")
        .values({
          token_hash: hashOf(secret),
          role,
          created_by: caller.account_id,
          created_at: new Date().toISOString(),
          expires_at: expires,
          used_at: null,
        })
        .execute();
      await deps.audit.write(caller.name, "user.invite", "hub", { role });
      return { secret, expires_at: expires };
    },
    async accept(secret: string, account: Omit<NewAccount, "role">): Promise<Account> {
      const hash = hashOf(secret);
      const row = await db
        .selectFrom("invitations")
        .selectAll()
        .where("token_hash", "=", hash)
        .executeTakeFirst();
      if (!row || row.used_at !== null || row.expires_at < new Date().toISOString()) {
        throw new CodedError({
          code: "invitation.invalid",
          title: "This invitation cannot be used",
          why: !row ? "It is not known here." : row.used_at ? "It was used already." : "It has expired.",
          fix: "Ask an admin for a new one.",
          status: 410,
        });
      }
      // Claimed before the account is made: of two clicks at once, one wins.
      const claimed = await db
        .updateTable("invitations")
        .set({ used_at: new Date().toISOString() })
        .where("token_hash", "=", hash)
        .where("used_at", "is", null)
        .executeTakeFirst();
      if (claimed.numUpdatedRows !== 1n) throw notFound("invitation", "");
      try {
        const created = await insert({ ...account, role: row.role === "admin" ? "admin" : "user" });
        await deps.audit.write(created.name, "invitation.accept", created.email);
        return created;
      } catch (error) {
        await db.updateTable("invitations").set({ used_at: null }).where("token_hash", "=", hash).execute();
        throw error;
      }
    },
  };
}
