import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Public keys of accounts and of projects, and what hosts say of their SSH gateways. */
export async function ssh(db: Kysely<Tables>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("ssh_keys")
    .addColumn("key_id", "text", (c) => c.primaryKey())
    .addColumn("account_id", "text", (c) => c.references("user.id").onDelete("cascade"))
    .addColumn("project_id", "text", (c) => c.references("projects.project_id").onDelete("cascade"))
    .addColumn("type", "text", (c) => c.notNull())
    .addColumn("blob", "text", (c) => c.notNull())
    .addColumn("bits", "integer", (c) => c.notNull())
    .addColumn("fingerprint", "text", (c) => c.notNull())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("last_used_at", "text")
    .addColumn("last_used_from", "text")
    .addUniqueConstraint("ssh_keys_of_account", ["account_id", "fingerprint"])
    .addUniqueConstraint("ssh_keys_of_project", ["project_id", "fingerprint"])
    .execute();
  await schema
    .createTable("ssh_gateways")
    .addColumn("host_id", "text", (c) => c.primaryKey().references("hosts.host_id").onDelete("cascade"))
    .addColumn("host_key", "text", (c) => c.notNull())
    .addColumn("listening", "integer", (c) => c.notNull())
    .addColumn("told_at", "text", (c) => c.notNull())
    .execute();
}
