import { type Kysely, sql } from "kysely";
import type { Tables } from "../schema.ts";

export async function hostsAndProjects(db: Kysely<Tables>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("invitations")
    .addColumn("token_hash", "text", (c) => c.primaryKey())
    .addColumn("role", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("used_at", "text")
    .execute();
  await schema
    .createTable("hosts")
    .addColumn("host_id", "text", (c) => c.primaryKey())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("type", "text", (c) => c.notNull())
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("desired_state", "text", (c) => c.notNull())
    .addColumn("state_since", "text", (c) => c.notNull())
    .addColumn("problem", "text")
    .addColumn("http_port", "integer", (c) => c.notNull().unique())
    .addColumn("ssh_port", "integer", (c) => c.notNull().unique())
    .addColumn("public_key", "text", (c) => c.notNull().unique())
    .addColumn("key_revoked", "integer", (c) => c.notNull().defaultTo(0))
    .addColumn("offered_key", "text")
    .addColumn("checklist", "text", (c) => c.notNull())
    .addColumn("report", "text")
    .addColumn("report_at", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .execute();
  await schema
    .createTable("join_tokens")
    .addColumn("token_id", "text", (c) => c.primaryKey())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("public_key", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("bound_key", "text")
    .addColumn("used_by_host_id", "text")
    .addColumn("used_at", "text")
    .addColumn("revoked", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
  await schema
    .createTable("projects")
    .addColumn("project_id", "text", (c) => c.primaryKey())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("description", "text", (c) => c.notNull())
    .addColumn("host_id", "text", (c) => c.references("hosts.host_id"))
    .addColumn("image", "text", (c) => c.notNull())
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("state_since", "text", (c) => c.notNull())
    .addColumn("desired_state", "text", (c) => c.notNull())
    .addColumn("phase", "text")
    .addColumn("queue_place", "integer")
    .addColumn("problem", "text")
    .addColumn("limits", "text", (c) => c.notNull())
    .addColumn("generation", "integer", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("last_used_at", "text")
    .execute();
  await schema
    .createTable("members")
    .addColumn("project_id", "text", (c) => c.notNull().references("projects.project_id").onDelete("cascade"))
    .addColumn("account_id", "text", (c) => c.notNull().references("user.id").onDelete("cascade"))
    .addColumn("role", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("members_pk", ["project_id", "account_id"])
    .execute();
  await schema
    .createTable("operations")
    .addColumn("operation_id", "text", (c) => c.primaryKey())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("subject_kind", "text", (c) => c.notNull())
    .addColumn("subject_id", "text", (c) => c.notNull())
    .addColumn("subject_name", "text", (c) => c.notNull())
    .addColumn("steps", "text", (c) => c.notNull())
    .addColumn("attempt", "integer", (c) => c.notNull())
    .addColumn("problem", "text")
    .addColumn("requested_by", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("finished_at", "text")
    .execute();
  await schema
    .createTable("settings")
    .addColumn("key", "text", (c) => c.primaryKey())
    .addColumn("value", "text", (c) => c.notNull())
    .execute();
  await schema
    .createTable("audit")
    .addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
    .addColumn("at", "text", (c) => c.notNull())
    .addColumn("actor", "text", (c) => c.notNull())
    .addColumn("action", "text", (c) => c.notNull())
    .addColumn("subject", "text", (c) => c.notNull())
    .addColumn("detail", "text", (c) => c.notNull())
    .execute();
  for (const verb of ["UPDATE", "DELETE"]) {
    await sql
      .raw(`CREATE TRIGGER audit_no_${verb.toLowerCase()} BEFORE ${verb} ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END`)
      .execute(db);
  }
}
