import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

export async function backups({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .createTable("backup_repositories")
    .addColumn("repository_id", "text", (c) => c.primaryKey())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("location", "text", (c) => c.notNull())
    .addColumn("password", "text", (c) => c.notNull())
    .addColumn("target", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("swept_at", "text")
    .addColumn("read_back_at", "text")
    .addColumn("read_back_part", "integer", (c) => c.notNull().defaultTo(0))
    .addColumn("read_back_problem", "text")
    .addColumn("pruned_at", "text")
    .execute();
  await schema
    .createTable("backup_keys")
    .addColumn("host_id", "text", (c) => c.primaryKey())
    .addColumn("public_key", "text", (c) => c.notNull())
    .addColumn("read_key", "text", (c) => c.notNull())
    .addColumn("read_repository", "text")
    .execute();
  // Without a reference to its project: a backup outlives what it is of.
  await schema
    .createTable("backups")
    .addColumn("backup_id", "text", (c) => c.primaryKey())
    .addColumn("project_id", "text", (c) => c.notNull())
    .addColumn("project_name", "text", (c) => c.notNull())
    .addColumn("host_id", "text", (c) => c.notNull())
    .addColumn("repository_id", "text", (c) => c.notNull())
    .addColumn("snapshot_id", "text")
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("reason", "text", (c) => c.notNull())
    .addColumn("started_at", "text", (c) => c.notNull())
    .addColumn("finished_at", "text")
    .addColumn("files", "integer", (c) => c.notNull())
    .addColumn("dirs", "integer", (c) => c.notNull())
    .addColumn("bytes", "integer", (c) => c.notNull())
    .addColumn("added_bytes", "integer", (c) => c.notNull())
    .addColumn("took_ms", "integer", (c) => c.notNull())
    .addColumn("left_out", "text", (c) => c.notNull())
    .addColumn("left_out_total", "integer", (c) => c.notNull())
    .addColumn("problem", "text")
    .addColumn("manifest", "text")
    .addColumn("image", "text", (c) => c.notNull())
    .addColumn("digest", "text")
    .addColumn("forgotten_at", "text")
    .execute();
  await schema
    .createIndex("backups_of_project")
    .on("backups")
    .columns(["project_id", "started_at"])
    .execute();
  await schema
    .createTable("backup_drills")
    .addColumn("drill_id", "text", (c) => c.primaryKey())
    .addColumn("backup_id", "text", (c) => c.notNull())
    .addColumn("project_id", "text", (c) => c.notNull())
    .addColumn("project_name", "text", (c) => c.notNull())
    .addColumn("host_id", "text", (c) => c.notNull())
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("started_at", "text", (c) => c.notNull())
    .addColumn("finished_at", "text")
    .addColumn("files", "integer", (c) => c.notNull())
    .addColumn("problem", "text")
    .execute();
  // Files of a repository that were looked at once; `problem` where the content is not what the name says.
  await schema
    .createTable("backup_files")
    .addColumn("repository_id", "text", (c) => c.notNull())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("seen_at", "text", (c) => c.notNull())
    .addColumn("problem", "text")
    .addPrimaryKeyConstraint("backup_files_pk", ["repository_id", "name"])
    .execute();
  await schema.alterTable("operations").addColumn("input", "text").execute();
}
