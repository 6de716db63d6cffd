/**
 * Links by which anyone may use one app for a limited time, while the admin allows them. A link gives what its maker
 * may at that moment: who leaves the project takes their links with them.
 */
import { createHash } from "node:crypto";
import type { z } from "zod";
import type { AppLink, createLinkSchema } from "../../contract/api-apps.ts";
import { MAX_LINKS } from "../../contract/api-apps.ts";
import { type AppPath, parseAppPath } from "../../contract/app-path.ts";
import { CodedError } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { AppLinkTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";
import type { ProjectStore } from "../projects/store.ts";

export const LINK_PREFIX = "link:";

export interface LinkEntry {
  link_id: string;
  path: AppPath;
}

export interface Links {
  list(caller: Caller, projectKey: string): Promise<AppLink[]>;
  create(
    caller: Caller,
    projectKey: string,
    input: z.output<typeof createLinkSchema>,
  ): Promise<{ link: AppLink; token: string }>;
  revoke(caller: Caller, projectKey: string, linkId: string): Promise<void>;
  /** Who made it, as long as it holds; what it opens is checked by the session's `only`. */
  makerOf(sub: string): Promise<string>;
  /** By the secret in the URL. Errors: `link.not-valid`, the same for all that is not. */
  enter(token: string, visitor: { address: string; first: boolean }): Promise<LinkEntry>;
}

const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

function notValid(): CodedError {
  return new CodedError({
    code: "link.not-valid",
    title: "This link does not work",
    why: "It ended, was taken back, or never was.",
    fix: "Ask whoever gave it to you for a new one.",
    status: 404,
  });
}

export function createLinks(
  db: Db,
  deps: { projects: ProjectStore; audit: Audit; events: Events; allowed: () => Promise<boolean> },
): Links {
  const { projects, audit } = deps;
  const iso = () => new Date().toISOString();

  async function view(rows: AppLinkTable[]): Promise<AppLink[]> {
    const ids = [...new Set(rows.map((row) => row.created_by))];
    const names = new Map(
      ids.length === 0
        ? []
        : (await db.selectFrom("user").select(["id", "name"]).where("id", "in", ids).execute()).map(
            (user) => [user.id, user.name] as const,
          ),
    );
    return rows.map(({ token_hash: _hash, revoked_at: _revoked, created_by, ...row }) => ({
      ...row,
      created_by: { account_id: created_by, name: names.get(created_by) ?? created_by },
    }));
  }

  async function live(where: { link_id: string } | { token_hash: string }): Promise<AppLinkTable> {
    const [column, value] =
      "link_id" in where
        ? (["link_id", where.link_id] as const)
        : (["token_hash", where.token_hash] as const);
    const row = await db.selectFrom("app_links").selectAll().where(column, "=", value).executeTakeFirst();
    if (!row || row.revoked_at !== null || row.expires_at <= iso() || !(await deps.allowed()))
      throw notValid();
    return row;
  }

  return {
    async list(caller, key) {
      const { project_id } = await projects.get(caller, key, "collaborator");
      const rows = await db
        .selectFrom("app_links")
        .selectAll()
        .where("project_id", "=", project_id)
        .where("revoked_at", "is", null)
        .where("expires_at", ">", iso())
        .orderBy("created_at", "desc")
        .execute();
      return await view(rows);
    },
    async create(caller, key, { path, hours }) {
      const { project_id, name } = await projects.get(caller, key, "collaborator");
      if (!(await deps.allowed())) {
        throw new CodedError({
          code: "link.not-allowed",
          title: "Links that open an app for anyone are off on this hub",
          fix: "An admin can allow them: setting app_links.",
          command: "cocalc-hub settings set app_links on",
          status: 403,
        });
      }
      const count = await db
        .selectFrom("app_links")
        .select((eb) => eb.fn.countAll().as("n"))
        .where("project_id", "=", project_id)
        .where("revoked_at", "is", null)
        .where("expires_at", ">", iso())
        .executeTakeFirstOrThrow();
      if (Number(count.n) >= MAX_LINKS) {
        throw new CodedError({
          code: "link.too-many",
          title: `A project has at most ${MAX_LINKS} links`,
          fix: "Take some back first.",
          status: 409,
        });
      }
      const token = randomToken(24);
      const row: AppLinkTable = {
        link_id: newId(),
        token_hash: hashOf(token),
        project_id,
        path,
        created_by: caller.account_id,
        created_at: iso(),
        expires_at: new Date(Date.now() + hours * 3_600_000).toISOString(),
        revoked_at: null,
        last_used_at: null,
        visits: 0,
      };
      await db.insertInto("app_links").values(row).execute();
      await audit.write(caller.name, "link.create", row.link_id, { project: name, project_id, path, hours });
      return { link: (await view([row]))[0] as AppLink, token };
    },
    async revoke(caller, key, linkId) {
      const { project_id } = await projects.get(caller, key, "collaborator");
      const done = await db
        .updateTable("app_links")
        .set({ revoked_at: iso() })
        .where("link_id", "=", linkId)
        .where("project_id", "=", project_id)
        .where("revoked_at", "is", null)
        .executeTakeFirst();
      if (Number(done.numUpdatedRows) === 0) throw notFound("link", linkId);
      await audit.write(caller.name, "link.revoke", linkId, { project_id });
      // What is open by it ends.
      deps.events.changed("project", project_id);
    },
    makerOf: async (sub) => (await live({ link_id: sub.slice(LINK_PREFIX.length) })).created_by,
    async enter(token, { address, first }) {
      const row = await live({ token_hash: hashOf(token) });
      const path = parseAppPath(`/${row.project_id}${row.path}`);
      if (!path) throw notValid();
      if (first) {
        await db
          .updateTable("app_links")
          .set({ visits: row.visits + 1, last_used_at: iso() })
          .where("link_id", "=", row.link_id)
          .execute();
        await audit.write("anyone with the link", "link.open", row.link_id, {
          project_id: row.project_id,
          address,
        });
      }
      return { link_id: row.link_id, path };
    },
  };
}
