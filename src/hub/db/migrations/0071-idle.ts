import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** After how many idle minutes a project is stopped; null: as the hub's setting says. */
export async function idle(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable("projects").addColumn("idle_minutes", "integer").execute();
}
