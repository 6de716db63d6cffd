import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Ports of project pages, who chose to share one, and links to apps. */
export async function apps(db: Kysely<Tables>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("app_leases")
    .addColumn("holder", "text", (c) => c.notNull())
    .addColumn("shard", "integer", (c) => c.notNull())
    .addColumn("project_id", "text", (c) => c.notNull().references("projects.project_id").onDelete("cascade"))
    .addColumn("lease_id", "text", (c) => c.notNull().unique())
    .addColumn("leased_at", "text", (c) => c.notNull())
    .addColumn("used_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("app_leases_pk", ["holder", "shard"])
    .addUniqueConstraint("app_leases_project", ["holder", "project_id"])
    .execute();
  await schema
    .createTable("app_shared")
    .addColumn("account_id", "text", (c) => c.notNull())
    .addColumn("project_id", "text", (c) => c.notNull().references("projects.project_id").onDelete("cascade"))
    .addColumn("accepted_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("app_shared_pk", ["account_id", "project_id"])
    .execute();
  await schema
    .createTable("app_links")
    .addColumn("link_id", "text", (c) => c.primaryKey())
    .addColumn("token_hash", "text", (c) => c.notNull().unique())
    .addColumn("project_id", "text", (c) => c.notNull().references("projects.project_id").onDelete("cascade"))
    .addColumn("path", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("revoked_at", "text")
    .addColumn("last_used_at", "text")
    .addColumn("visits", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
}
