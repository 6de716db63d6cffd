/** Two hubs over one database: prunes and backups keep out of each other's way. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authOptions } from "../accounts/auth.ts";
import { createLeases } from "../db/leases.ts";
import { type Db, openDatabase } from "../db/open.ts";
import { createGate, type Gate } from "./gate.ts";

const dir = mkdtempSync(join(tmpdir(), "gate-"));
let db: Db;
let one: Gate;
let two: Gate;
const never = new AbortController().signal;
beforeAll(async () => {
  db = await openDatabase(join(dir, "hub.sqlite"), authOptions("a secret of the tests, long") as never);
  one = createGate(db, createLeases(db), { waitMs: 20 });
  two = createGate(db, createLeases(db), { waitMs: 20 });
});
afterAll(async () => {
  await db.destroy();
  rmSync(dir, { recursive: true, force: true });
});
/** A piece of work that lasts until it is told to end. */
function work() {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const run = async () => {
    begun.resolve();
    await end.promise;
    return "done" as const;
  };
  return { run, begun: begun.promise, end: () => end.resolve() };
}

test("one prunes, the other does not; afterwards it may", async () => {
  const first = work();
  const pruning = one.prune("r", first.run);
  await first.begun;
  expect(await two.prune("r", async () => "done")).toBeUndefined();
  // Another repository is nobody's concern.
  expect(await two.prune("other", async () => "done")).toBe("done");
  first.end();
  expect(await pruning).toBe("done");
  expect(await two.prune("r", async () => "done")).toBe("done");
});

test("no prune while the other hub's backup runs, and a backup waits for a prune to end", async () => {
  const backup = work();
  const backing = one.backup("r", "host", never, backup.run);
  await backup.begun;
  expect(await two.prune("r", async () => "done")).toBeUndefined();
  backup.end();
  await backing;
  const prune = work();
  const pruning = two.prune("r", prune.run);
  await prune.begun;
  let began = false;
  const waiting = one.backup("r", "host", never, async () => {
    began = true;
    return "done";
  });
  await Bun.sleep(200);
  expect(began).toBe(false);
  prune.end();
  await pruning;
  expect(await waiting).toBe("done");
});

test("of two hubs that begin at the same moment never a prune beside a backup", async () => {
  let [backups, prunes] = [0, 0];
  for (let round = 0; round < 20; round++) {
    const pruned = two.prune("r", async () => {
      prunes += 1;
      expect(backups).toBe(0);
      await Bun.sleep(5);
      prunes -= 1;
      return true;
    });
    const backed = one.backup("r", "host", never, async () => {
      backups += 1;
      expect(prunes).toBe(0);
      await Bun.sleep(5);
      backups -= 1;
    });
    await Promise.all([pruned, backed]);
  }
}, 60_000);

test("so many at once for a host and for the hub; the others wait for their turn", async () => {
  const gate = createGate(db, createLeases(db), { waitMs: 20 });
  const all = Array.from({ length: 21 }, (_, n) => ({ host: `host-${n % 7}`, job: work(), running: false }));
  let running = 0;
  let most = 0;
  const done = all.map((one, n) =>
    gate[n % 2 === 0 ? "restore" : "backup"]("limits", one.host, never, async () => {
      one.running = true;
      running += 1;
      most = Math.max(most, running);
      for (const host of new Set(all.map((other) => other.host)))
        expect(all.filter((other) => other.host === host && other.running).length).toBeLessThanOrEqual(2);
      await one.job.run();
      one.running = false;
      running -= 1;
      return n;
    }),
  );
  await Bun.sleep(300);
  expect(running).toBe(8);
  for (const { job } of all) job.end();
  expect(await Promise.all(done)).toEqual(all.map((_, n) => n));
  expect(most).toBe(8);
});
