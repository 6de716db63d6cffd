import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** What a move left on a host that could not be reached: taken away, or stopped and kept, when it is there again. */
export async function projectLeftovers({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .createTable("project_leftovers")
    .addColumn("project_id", "text", (c) => c.notNull())
    .addColumn("host_id", "text", (c) => c.notNull())
    .addColumn("keep", "integer", (c) => c.notNull())
    .addColumn("since", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("project_leftovers_pk", ["project_id", "host_id"])
    .execute();
}
