import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Which version of its image a project began with, as its host tells; null: it was never started, or told nothing yet. */
export async function imageDigest(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable("projects").addColumn("image_digest", "text").execute();
}
