import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kysely, sql } from "kysely";
import { authOptions } from "../accounts/auth.ts";
import { checksum } from "./history.ts";
import { openDatabase } from "./open.ts";

const open = (path: string) => openDatabase(path, authOptions("a secret of the tests, long enough") as never);
async function inDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "hub-db-"));
  try {
    await run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
const audit = { at: "2026-01-01T00:00:00.000Z", actor: "a", action: "b", subject: "c", detail: "{}" };

test("two processes that open an empty file at once migrate it once", () =>
  inDir(async (dir) => {
    const path = join(dir, "hub.sqlite");
    const script = join(dir, "open.ts");
    const from = (file: string) => JSON.stringify(join(import.meta.dir, file));
    writeFileSync(
      script,
      `import { openDatabase } from ${from("open.ts")};
      import { type Kysely, sql } from "kysely";
import { authOptions } from ${from("../accounts/auth.ts")};
      const db = await openDatabase(${JSON.stringify(path)}, authOptions("a secret of the tests, long enough") as never);
      await db.insertInto("audit").values(${JSON.stringify(audit)} as never).execute();
      await db.destroy();`,
    );
    const run = () => Bun.spawn([process.execPath, script], { cwd: dir, stdout: "pipe", stderr: "pipe" });
    const both = [run(), run()];
    for (const one of both) {
      expect([await one.exited, await new Response(one.stderr).text()]).toEqual([0, ""]);
    }
    const db = await open(path);
    expect(await db.selectFrom("audit").selectAll().execute()).toHaveLength(2);
    await db.destroy();
  }));

test("the audit table takes no change and no deletion", () =>
  inDir(async (dir) => {
    const db = await open(join(dir, "hub.sqlite"));
    await db.insertInto("audit").values(audit).execute();
    const change = db.updateTable("audit").set({ actor: "x" }).execute();
    expect(await change.catch((error) => error.message)).toContain("append-only");
    const removal = db.deleteFrom("audit").execute();
    expect(await removal.catch((error) => error.message)).toContain("append-only");
    await db.destroy();
  }));

test("foreign keys and unique ports hold", () =>
  inDir(async (dir) => {
    const db = await open(join(dir, "hub.sqlite"));
    const member = { project_id: "none", account_id: "none", role: "owner" };
    const orphan = db.insertInto("members").values(member).execute();
    expect(await orphan.catch((error) => error.message)).toContain("FOREIGN KEY");
    await db.destroy();
  }));

test("a newer schema is refused, and left as it is", () =>
  inDir(async (dir) => {
    const path = join(dir, "hub.sqlite");
    await (await open(path)).destroy();
    const raw = new Database(path);
    raw.run("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-future', '2030-01-01')");
    raw.close();
    const problem = await open(path).catch((error) => error.details);
    expect(problem).toMatchObject({ code: "db.newer-schema", exit: 78 });
    expect(problem.why).toContain("9999-future");
  }));

test("a history that was edited is refused, and left as it is", () =>
  inDir(async (dir) => {
    const path = join(dir, "hub.sqlite");
    await (await open(path)).destroy();
    await (await open(path)).destroy();
    const raw = new Database(path);
    raw.run("UPDATE migration_checksums SET checksum = 'another' WHERE name = '0002-hosts-and-projects'");
    raw.close();
    const problem = await open(path).catch((error) => error.details);
    expect(problem).toMatchObject({ code: "db.edited-history", exit: 78 });
    expect(problem.why).toContain("0002-hosts-and-projects");
  }));

test("a migration's checksum follows its SQL, not its text", async () => {
  const one = { up: (db: Kysely<never>) => sql`create table a (b text)`.execute(db).then(() => {}) };
  // The same, said otherwise.
  const same = {
    async up(db: Kysely<never>) {
      await sql`create table a
        (b text)`.execute(db);
    },
  };
  const other = { up: (db: Kysely<never>) => sql`create table a (c text)`.execute(db).then(() => {}) };
  expect(await checksum(same)).toBe(await checksum(one));
  expect(await checksum(other)).not.toBe(await checksum(one));
});

test("a damaged file is named, and not overwritten", () =>
  inDir(async (dir) => {
    const path = join(dir, "hub.sqlite");
    writeFileSync(path, "this is no database, and long enough to be read as a header of one".repeat(20));
    const before = readFileSync(path);
    expect(await open(path).catch((error) => error.code)).toBe("db.unusable");
    expect(readFileSync(path).equals(before)).toBe(true);
  }));

test("the columns are those of schema.ts", () =>
  inDir(async (dir) => {
    const db = await open(join(dir, "hub.sqlite"));
    const source = readFileSync(join(import.meta.dir, "schema.ts"), "utf8");
    const tables = await db.introspection.getTables();
    const names = new Map<string, string>(
      [...source.matchAll(/^ {2}(\w+): (\w+Table);$/gm)].map((match) => [match[1] ?? "", match[2] ?? ""]),
    );
    for (const [table, type] of names) {
      const body = new RegExp(`interface ${type} \\{(.*?)\\n\\}`, "s").exec(source)?.[1] ?? "";
      const wanted = [...body.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1] ?? "");
      const there = tables.find((one) => one.name === table)?.columns.map((one) => one.name) ?? [];
      expect([table, wanted.filter((column) => !there.includes(column))]).toEqual([table, []]);
    }
    await db.destroy();
  }));
