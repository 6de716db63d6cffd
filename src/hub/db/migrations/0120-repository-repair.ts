import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** What became of a repository's data that was good once: since when older backups are no parents, and whether its index is to be made anew. */
export async function repositoryRepair({ schema }: Kysely<Tables>): Promise<void> {
  await schema.alterTable("backup_repositories").addColumn("damaged_at", "text").execute();
  await schema
    .alterTable("backup_repositories")
    .addColumn("repair", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
}
