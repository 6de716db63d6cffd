import { type Kysely, sql } from "kysely";
import type { Tables } from "../schema.ts";

/** What the hub wants a machine to do to itself: kept until the machine has said how it ended, one at a time. */
export async function hostCommands({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .createTable("host_commands")
    .addColumn("command_id", "text", (c) => c.primaryKey())
    .addColumn("host_id", "text", (c) => c.notNull())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("version", "text")
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("detail", "text")
    .addColumn("from_version", "text")
    .addColumn("to_version", "text")
    .addColumn("attempts", "integer", (c) => c.notNull().defaultTo(0))
    .addColumn("lease_until", "text")
    .addColumn("problem", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("finished_at", "text")
    .execute();
  // An upgrade and a rollback at once would fight.
  await schema
    .createIndex("host_commands_open")
    .unique()
    .on("host_commands")
    .column("host_id")
    .where(sql<boolean>`finished_at is null`)
    .execute();
}
