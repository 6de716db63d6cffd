import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Before an upgrade the projects that changed are backed up: by which operation, or that it was asked for without. */
export async function commandBackups({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .alterTable("host_commands")
    .addColumn("without_backups", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable("host_commands").addColumn("backup_operation", "text").execute();
}
