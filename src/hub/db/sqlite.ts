/** bun:sqlite behind Kysely's own SQLite dialect, which expects better-sqlite3's interface. */
import { Database, type SQLQueryBindings } from "bun:sqlite";
import { SqliteAdapter, SqliteDialect } from "kysely";
import { errnoOf } from "../../core/errors.ts";

const WAL_TRIES = 50;
const WAL_RETRY_MS = 20;

type Param = SQLQueryBindings | boolean | Date | undefined;

/** What SQLite has no type for: booleans become 0 or 1, dates ISO text. */
function bind(value: unknown): SQLQueryBindings {
  const param = value as Param;
  if (typeof param === "boolean") return param ? 1 : 0;
  if (param instanceof Date) return param.toISOString();
  return param === undefined ? null : param;
}

/**
 * Kysely's own says that SQLite has no transactional DDL, which is not so: with it a migration that was interrupted
 * leaves nothing behind, and two processes that migrate at once come one after the other.
 */
class TransactionalDdl extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}
class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdl();
  }
}

/** Two that do this at once to a new file are told SQLITE_BUSY at once, whatever the timeout: neither could give way. */
function switchToWal(db: Database): void {
  for (let attempt = 1; ; attempt++) {
    try {
      db.run("PRAGMA journal_mode=WAL");
      return;
    } catch (error) {
      if (errnoOf(error) !== "SQLITE_BUSY" || attempt === WAL_TRIES) throw error;
      Bun.sleepSync(WAL_RETRY_MS);
    }
  }
}

export function openSqlite(path: string): { dialect: SqliteDialect; close: () => void } {
  const db = new Database(path, { create: true, strict: false });
  db.run("PRAGMA busy_timeout=5000");
  switchToWal(db);
  // FULL: grants, tokens and placement must survive a power cut; 1,300 commits a second are plenty here.
  for (const pragma of ["synchronous=FULL", "foreign_keys=ON"]) db.run(`PRAGMA ${pragma}`);
  const dialect = new Dialect({
    database: {
      close: () => db.close(),
      prepare(sql) {
        // A transaction that reads and then writes would otherwise meet SQLITE_BUSY when another process wrote between.
        const statement = db.prepare(sql === "begin" ? "begin immediate" : sql);
        return {
          reader: statement.columnNames.length > 0,
          all: (params) => statement.all(...params.map(bind)),
          run(params) {
            // A full disk makes SQLite roll back by itself; a second one would fail, and hide the cause.
            if (sql === "rollback" && !db.inTransaction) return { changes: 0n, lastInsertRowid: 0n };
            const { changes, lastInsertRowid } = statement.run(...params.map(bind));
            return { changes: BigInt(changes), lastInsertRowid: BigInt(lastInsertRowid) };
          },
          iterate: (params) => statement.iterate(...params.map(bind)) as IterableIterator<unknown>,
        };
      },
    },
  });
  return { dialect, close: () => db.close() };
}
