import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** When and from where a host's new key was shown: whoever accepts it must be able to tell. */
export async function changedKeys(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable("hosts").addColumn("offered_at", "text").execute();
  await db.schema.alterTable("hosts").addColumn("offered_from", "text").execute();
}
