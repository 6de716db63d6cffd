import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authOptions } from "../accounts/auth.ts";
import { createLeases, isGone } from "./leases.ts";
import { type Db, openDatabase } from "./open.ts";

const SECRET = "a secret of the tests, long enough";
let dir: string;
let db: Db;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "hub-leases-"));
  db = await openDatabase(join(dir, "hub.sqlite"), authOptions(SECRET) as never);
});
afterAll(async () => {
  await db.destroy();
  rmSync(dir, { recursive: true, force: true });
});

/** Another process that takes the lease, says so, and keeps it until it is killed. */
async function holder(name: string) {
  const from = (file: string) => JSON.stringify(join(import.meta.dir, file));
  const script = join(dir, "hold.ts");
  writeFileSync(
    script,
    `import { openDatabase } from ${from("open.ts")};
    import { createLeases } from ${from("leases.ts")};
    import { authOptions } from ${from("../accounts/auth.ts")};
    const db = await openDatabase(${JSON.stringify(join(dir, "hub.sqlite"))}, authOptions(${JSON.stringify(SECRET)}) as never);
    console.log((await createLeases(db).take(${JSON.stringify(name)})) ? "taken" : "refused");
    await Bun.sleep(60_000);`,
  );
  const proc = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "inherit" });
  const reader = proc.stdout.getReader();
  const said = new TextDecoder().decode((await reader.read()).value).trim();
  return { said, proc };
}

test("one at a time: of many who ask at once one gets it, and the next when it is given back", async () => {
  const leases = createLeases(db);
  const asked = await Promise.all(Array.from({ length: 20 }, () => leases.take("a")));
  const [got, ...more] = asked.filter((one) => one !== undefined);
  expect([got !== undefined, more.length]).toEqual([true, 0]);
  expect(await leases.take("b")).toBeDefined();
  await got?.release();
  expect(await leases.take("a")).toBeDefined();
});

test("another process has it: refused while that lives, void at once when it was killed", async () => {
  const leases = createLeases(db);
  const other = await holder("c");
  expect(other.said).toBe("taken");
  expect(await leases.take("c")).toBeUndefined();
  other.proc.kill("SIGKILL");
  await other.proc.exited;
  const mine = await leases.take("c");
  expect(mine).toBeDefined();
  const refused = await holder("c");
  expect(refused.said).toBe("refused");
  refused.proc.kill("SIGKILL");
});

test("a lease that is not renewed runs out; whoever lost it is told", async () => {
  const away = createLeases(db, { leaseMs: 60, renewMs: 1_000 });
  await away.take("d");
  // Its owner lives, but does not renew in time.
  await Bun.sleep(100);
  expect(await createLeases(db).take("d")).toBeDefined();

  const robbed = await createLeases(db, { leaseMs: 10_000, renewMs: 20 }).take("e");
  await db.updateTable("leases").set({ owner: "somebody else's" }).where("name", "=", "e").execute();
  await Bun.sleep(100);
  expect(robbed?.signal.aborted).toBe(true);
});

test("what lives on another machine, or in another pid namespace, is not taken for gone", () => {
  expect(isGone(JSON.stringify({ place: "another boot", process: "999999999 1" }))).toBe(false);
});
