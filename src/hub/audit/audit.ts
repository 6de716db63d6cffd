/** Who did what: written beside each action of an admin or a host, never changed (a trigger refuses). */
import type { AuditEntry } from "../../contract/api.ts";
import type { Caller } from "../accounts/caller.ts";
import { assertAdmin } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";

export interface Audit {
  write(actor: string, action: string, subject: string, detail?: Record<string, unknown>): Promise<void>;
  list(caller: Caller, limit?: number): Promise<AuditEntry[]>;
}

export function createAudit(db: Db): Audit {
  return {
    async write(actor, action, subject, detail = {}) {
      await db
        .insertInto("audit")
        .values({ at: new Date().toISOString(), actor, action, subject, detail: JSON.stringify(detail) })
        .execute();
    },
    async list(caller, limit = 500) {
      assertAdmin(caller);
      const rows = await db.selectFrom("audit").selectAll().orderBy("id", "desc").limit(limit).execute();
      return rows.map((row) => ({ ...row, detail: JSON.parse(row.detail) as Record<string, unknown> }));
    },
  };
}
