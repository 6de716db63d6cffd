import { getMigrations } from "better-auth/db/migration";
import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

export type AuthOptions = Parameters<typeof getMigrations>[0];

/** The tables of better-auth, by its own migrator. It takes no lock: inside ours, two hubs at once are safe. */
export async function accounts(db: Kysely<Tables>, authOptions: AuthOptions): Promise<void> {
  const { runMigrations } = await getMigrations({
    ...authOptions,
    database: { db, type: "sqlite" },
  } as AuthOptions);
  await runMigrations();
}
