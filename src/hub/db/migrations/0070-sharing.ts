import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Links by which somebody joins a project, and what of a project its viewers see. */
export async function sharing(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable("project_invitations")
    .addColumn("token_hash", "text", (c) => c.primaryKey())
    .addColumn("invitation_id", "text", (c) => c.notNull().unique())
    .addColumn("project_id", "text", (c) => c.notNull().references("projects.project_id").onDelete("cascade"))
    .addColumn("role", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("used_at", "text")
    .execute();
  await db.schema
    .alterTable("projects")
    .addColumn("viewer_shares", "text", (c) => c.notNull().defaultTo('{"paths":[],"ports":[]}'))
    .execute();
}
