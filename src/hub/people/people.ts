/**
 * Who is in a project, and as what. Every function takes the caller; what changes takes effect at once, because the
 * event ends the sockets that the change no longer allows.
 */
import { createHash } from "node:crypto";
import type { Role } from "../../contract/api.ts";
import {
  type GivenRole,
  type Invited,
  type Person,
  type ProjectInvitation,
  type Shares,
  sharesSchema,
} from "../../contract/api-people.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { INVITATION_DAYS } from "../accounts/accounts.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";

const DAY_MS = 86_400_000;
const hashOf = (secret: string) => createHash("sha256").update(secret).digest("hex");
const now = () => new Date().toISOString();

export type People = ReturnType<typeof createPeople>;

export function createPeople(core: Pick<HubCore, "db" | "projects" | "audit" | "events" | "settings">) {
  const { db, projects, audit } = core;

  async function list(caller: Caller, key: string): Promise<Person[]> {
    const project = await projects.get(caller, key);
    const rows = await db
      .selectFrom("members")
      .innerJoin("user", "user.id", "members.account_id")
      .select(["user.id", "user.name", "user.email", "members.role"])
      .where("project_id", "=", project.project_id)
      .orderBy("user.name")
      .execute();
    return rows.map((row) => ({
      account_id: row.id,
      name: row.name,
      email: project.role === "viewer" ? null : row.email,
      role: row.role as Role,
    }));
  }

  async function member(projectId: string, accountId: string): Promise<{ role: Role; name: string }> {
    const row = await db
      .selectFrom("members")
      .innerJoin("user", "user.id", "members.account_id")
      .select(["members.role", "user.name"])
      .where("project_id", "=", projectId)
      .where("account_id", "=", accountId)
      .executeTakeFirst();
    if (!row) throw notFound("person", accountId);
    return { role: row.role as Role, name: row.name };
  }

  /** Tells the members, and whoever is no member any more. */
  function told(projectId: string, accountId: string): void {
    core.events.changed("project", projectId);
    core.events.changed("user", accountId);
  }

  async function put(projectId: string, accountId: string, role: Role): Promise<void> {
    await db
      .insertInto("members")
      .values({ project_id: projectId, account_id: accountId, role })
      .onConflict((c) => c.columns(["project_id", "account_id"]).doUpdateSet({ role }))
      .execute();
    told(projectId, accountId);
  }

  function isOwner(name: string): CodedError {
    return new CodedError({
      code: "people.is-owner",
      title: `${name} owns the project`,
      fix: "Give the project to another member first.",
      status: 409,
      exit: EX.DATAERR,
    });
  }

  /** By e-mail address, or by a name that is one person's alone. */
  async function find(who: string): Promise<{ id: string; name: string }> {
    const rows = await db
      .selectFrom("user")
      .select(["id", "name", "email"])
      .where((eb) => eb.or([eb("email", "=", who.toLowerCase()), eb("name", "=", who)]))
      .where("suspended", "=", 0)
      .execute();
    const exact =
      rows.find((row) => row.email === who.toLowerCase()) ?? (rows.length === 1 ? rows[0] : undefined);
    if (exact) return exact;
    throw new CodedError({
      code: rows.length > 1 ? "people.ambiguous" : "people.no-account",
      title: rows.length > 1 ? `Several people are called ${who}` : `Nobody here is ${who}`,
      fix:
        rows.length > 1
          ? "Use the e-mail address."
          : "Make an invitation link and send it: whoever opens it joins the project, with a new account if need be.",
      status: rows.length > 1 ? 409 : 404,
      exit: EX.NOINPUT,
      errors: [{ path: "who", message: rows.length > 1 ? "several people" : "no such account" }],
    });
  }

  async function invitation(secret: string) {
    const row = await db
      .selectFrom("project_invitations as i")
      .innerJoin("projects", "projects.project_id", "i.project_id")
      .leftJoin("user", "user.id", "i.created_by")
      .selectAll("i")
      .select(["projects.name as project_name", "user.name as invited_by"])
      .where("token_hash", "=", hashOf(secret))
      .executeTakeFirst();
    if (row && row.used_at === null && row.expires_at >= now()) return row;
    throw new CodedError({
      code: "invitation.invalid",
      title: "This invitation cannot be used",
      why: !row
        ? "It is not known here, or was taken back."
        : row.used_at
          ? "It was used already."
          : "It has expired.",
      fix: "Ask whoever sent it for a new one.",
      status: 410,
    });
  }

  /** Whether a project's link may also make the account. */
  const makesAccounts = async () => (await core.settings.get("project_links")) === "anyone";

  return {
    list,
    async add(caller: Caller, key: string, who: string, role: GivenRole): Promise<Person> {
      const project = await projects.get(caller, key, "owner");
      const account = await find(who);
      const known = (await list(caller, project.project_id)).find((one) => one.account_id === account.id);
      if (known?.role === "owner") throw isOwner(account.name);
      await put(project.project_id, account.id, role);
      await audit.write(caller.name, "project.share", project.project_id, { with: account.name, role });
      const people = await list(caller, project.project_id);
      return people.find((one) => one.account_id === account.id) as Person;
    },
    async setRole(caller: Caller, key: string, accountId: string, role: GivenRole): Promise<void> {
      const project = await projects.get(caller, key, "owner");
      const { role: had, name } = await member(project.project_id, accountId);
      if (had === "owner") throw isOwner(name);
      await put(project.project_id, accountId, role);
      await audit.write(caller.name, "project.role", project.project_id, { of: name, role });
    },
    /** The owner removes anybody else; everybody may leave. */
    async remove(caller: Caller, key: string, accountId: string): Promise<void> {
      const leaves = accountId === caller.account_id;
      const project = await projects.get(caller, key, leaves ? "viewer" : "owner");
      const { role, name } = await member(project.project_id, accountId);
      if (role === "owner") throw isOwner(name);
      await db
        .deleteFrom("members")
        .where("project_id", "=", project.project_id)
        .where("account_id", "=", accountId)
        .execute();
      told(project.project_id, accountId);
      await audit.write(caller.name, leaves ? "project.leave" : "project.unshare", project.project_id, {
        who: name,
      });
    },
    /** The one owner changes in one transaction; who had it stays as a collaborator. */
    async transfer(caller: Caller, key: string, accountId: string): Promise<void> {
      const project = await projects.get(caller, key, "owner");
      const { name } = await member(project.project_id, accountId);
      const before = project.owner.account_id;
      if (before === accountId) return;
      await db.transaction().execute(async (trx) => {
        const set = (account: string, role: Role) =>
          trx
            .updateTable("members")
            .set({ role })
            .where("project_id", "=", project.project_id)
            .where("account_id", "=", account)
            .execute();
        await set(before, "collaborator");
        await set(accountId, "owner");
      });
      told(project.project_id, accountId);
      core.events.changed("user", before);
      await audit.write(caller.name, "project.transfer", project.project_id, { to: name });
    },
    async shares(caller: Caller, key: string): Promise<Shares> {
      const project = await projects.get(caller, key);
      return await projects.shares(project.project_id);
    },
    async setShares(caller: Caller, key: string, shares: Shares): Promise<Shares> {
      const project = await projects.get(caller, key, "owner");
      const clean = sharesSchema.parse({
        paths: [...new Set(shares.paths.map((path) => path.replace(/\/+$/, "") || "/"))],
        ports: [...new Set(shares.ports)],
        apps: [...new Set(shares.apps)],
      });
      await projects.setShares(project.project_id, clean);
      await audit.write(caller.name, "project.shares", project.project_id, { ...clean });
      return clean;
    },
    async invitations(caller: Caller, key: string): Promise<ProjectInvitation[]> {
      const project = await projects.get(caller, key, "owner");
      const rows = await db
        .selectFrom("project_invitations")
        .select(["invitation_id", "role", "created_at", "expires_at"])
        .where("project_id", "=", project.project_id)
        .where("used_at", "is", null)
        .where("expires_at", ">=", now())
        .orderBy("created_at")
        .execute();
      return rows.map((row) => ({ ...row, role: row.role as GivenRole }));
    },
    async invite(
      caller: Caller,
      key: string,
      role: GivenRole,
    ): Promise<ProjectInvitation & { secret: string }> {
      const project = await projects.get(caller, key, "owner");
      const secret = randomToken();
      const row = {
        invitation_id: newId(),
        role,
        created_at: now(),
        expires_at: new Date(Date.now() + INVITATION_DAYS * DAY_MS).toISOString(),
      };
      // Before the transaction: SQLite has one connection, and this asks the database too.
      const account = await makesAccounts();
      const common = { token_hash: hashOf(secret), created_by: caller.account_id, used_at: null };
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto("project_invitations")
          .values({ ...row, ...common, project_id: project.project_id })
          .execute();
        if (!account) return;
        const { created_at, expires_at } = row;
        await trx
          .insertInto("invitations")
          .values({ ...common, role: "user", created_at, expires_at })
          .execute();
      });
      await audit.write(caller.name, "project.invite", project.project_id, { role });
      return { ...row, secret };
    },
    async revokeInvitation(caller: Caller, key: string, invitationId: string): Promise<void> {
      const project = await projects.get(caller, key, "owner");
      const row = await db
        .selectFrom("project_invitations")
        .select("token_hash")
        .where("project_id", "=", project.project_id)
        .where("invitation_id", "=", invitationId)
        .executeTakeFirst();
      if (!row) throw notFound("invitation", invitationId);
      for (const table of ["project_invitations", "invitations"] as const)
        await db.deleteFrom(table).where("token_hash", "=", row.token_hash).execute();
    },
    async look(secret: string): Promise<Invited> {
      const row = await invitation(secret);
      const account = await db
        .selectFrom("invitations")
        .select("token_hash")
        .where("token_hash", "=", row.token_hash)
        .where("used_at", "is", null)
        .executeTakeFirst();
      return {
        project_name: row.project_name,
        role: row.role as GivenRole,
        invited_by: row.invited_by ?? "The administrator",
        makes_account: account !== undefined,
      };
    },
    async accept(caller: Caller, secret: string): Promise<string> {
      const row = await invitation(secret);
      if (caller.via === "local") throw notFound("account", caller.account_id);
      const role = await member(row.project_id, caller.account_id).then(
        (known) => known.role,
        () => undefined,
      );
      // Of two clicks at once, one wins; a member who opens the link spends nothing.
      if (role !== undefined && (role !== "viewer" || row.role === "viewer")) return row.project_id;
      const claimed = await db
        .updateTable("project_invitations")
        .set({ used_at: now() })
        .where("token_hash", "=", row.token_hash)
        .where("used_at", "is", null)
        .executeTakeFirst();
      if (claimed.numUpdatedRows !== 1n) throw notFound("invitation", "");
      // Nor does it make an account any more.
      await db
        .updateTable("invitations")
        .set({ used_at: now() })
        .where("token_hash", "=", row.token_hash)
        .execute();
      await put(row.project_id, caller.account_id, row.role as Role);
      await audit.write(caller.name, "project.join", row.project_id, { role: row.role });
      return row.project_id;
    },
  };
}
