/** Who chose that a project's pages may share one address with other projects', where nothing else can be reached. */
import type { Caller } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { ProjectStore } from "../projects/store.ts";

export interface SharedChoices {
  accepted(accountId: string, projectId: string): Promise<boolean>;
  choose(caller: Caller, projectKey: string, accept: boolean): Promise<void>;
}

export function createSharedChoices(db: Db, deps: { projects: ProjectStore; audit: Audit }): SharedChoices {
  return {
    async accepted(account_id, project_id) {
      const row = await db
        .selectFrom("app_shared")
        .select("accepted_at")
        .where("account_id", "=", account_id)
        .where("project_id", "=", project_id)
        .executeTakeFirst();
      return row !== undefined;
    },
    async choose(caller, key, accept) {
      const { project_id } = await deps.projects.get(caller, key, "collaborator");
      const { account_id } = caller;
      await db.transaction().execute(async (trx) => {
        await trx
          .deleteFrom("app_shared")
          .where("account_id", "=", account_id)
          .where("project_id", "=", project_id)
          .execute();
        if (!accept) return;
        await trx
          .insertInto("app_shared")
          .values({ account_id, project_id, accepted_at: new Date().toISOString() })
          .execute();
      });
      await deps.audit.write(caller.name, "apps.shared-origin", project_id, { accept });
    },
  };
}
