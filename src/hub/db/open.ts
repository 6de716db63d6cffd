import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { CodedError, EX, messageOf, toProblem } from "../../core/errors.ts";
import { checkHistory, rememberHistory } from "./history.ts";
import { migrations } from "./migrations.ts";
import type { Tables } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

export type Db = Kysely<Tables>;

/**
 * Opens the database and brings its schema up to date. Errors: `db.newer-schema` when a later version of ours wrote
 * it, `db.edited-history` when it was made by other steps than ours of the same names, `db.unusable` with the engine's words otherwise.
 */
export async function openDatabase(path: string, authOptions: Parameters<typeof migrations>[0]): Promise<Db> {
  try {
    const { dialect } = openSqlite(path);
    const db = new Kysely<Tables>({ dialect });
    const all = migrations(authOptions);
    const migrator = new Migrator({ db, provider: { getMigrations: async () => all } });
    const done = (await migrator.getMigrations().catch(() => [])).filter(
      (one) => one.executedAt !== undefined,
    );
    const unknown = done.find((one) => !(one.name in all));
    if (unknown) throw newer(path, unknown.name);
    await checkHistory(db, path, all);
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) {
      // Kysely names a migration that ran before and is not known now.
      const missing = /previously executed migration (\S+) is missing/.exec(messageOf(error));
      throw missing ? newer(path, missing[1] ?? "") : error;
    }
    await rememberHistory(db, all);
    return db;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const storage = toProblem(error);
    if (storage.code.startsWith("disk.")) throw new CodedError(storage, { cause: error });
    throw new CodedError(
      {
        code: "db.unusable",
        title: `The database ${path} cannot be opened`,
        why: messageOf(error),
        fix: "If the disk is full or read-only, mend that. If the file is damaged, restore it from a backup.",
        exit: EX.IOERR,
      },
      { cause: error },
    );
  }
}

function newer(path: string, migration: string): CodedError {
  return new CodedError({
    code: "db.newer-schema",
    title: `The database ${path} was written by a newer version`,
    why: `It has the migration ${migration}, which this version does not know.`,
    fix: "Start the newer version again, or restore a backup from before the upgrade.",
    exit: EX.CONFIG,
  });
}
