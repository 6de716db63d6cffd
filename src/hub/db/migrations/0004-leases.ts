import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Who does something that must be done by one at a time, and until when that holds. */
export async function leases(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable("leases")
    .addColumn("name", "text", (c) => c.primaryKey())
    .addColumn("owner", "text", (c) => c.notNull())
    .addColumn("until", "text", (c) => c.notNull())
    .execute();
}
