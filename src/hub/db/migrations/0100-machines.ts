import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Machines that the hub signs in to itself, each with the host key that an admin compared; and hosts on their way out. */
export async function machines({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .createTable("machines")
    .addColumn("machine_id", "text", (c) => c.primaryKey())
    .addColumn("target", "text", (c) => c.notNull().unique())
    .addColumn("host_key", "text", (c) => c.notNull())
    .addColumn("held", "integer", (c) => c.notNull().defaultTo(0))
    .addColumn("host_id", "text")
    .addColumn("operation_id", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .execute();
  await schema
    .alterTable("hosts")
    .addColumn("draining", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable("hosts").addColumn("tombstone", "text").execute();
}
