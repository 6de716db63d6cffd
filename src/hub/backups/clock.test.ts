/** What a clock that was ahead left in the database, over a real one. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import type { BackupTable } from "../db/schema.ts";
import { mendTimes } from "./clock.ts";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-11-25T12:00:00Z");
const iso = (hours: number) => new Date(NOW + hours * HOUR).toISOString();
let lab: HubLab;
beforeEach(async () => {
  lab = await openHubLab();
});
afterEach(() => lab.remove());

const ID = crypto.randomUUID();
async function made(backup_id: string, hours: number, project_id = ID): Promise<void> {
  const row = {
    ...{ backup_id, project_id, project_name: "thesis", host_id: "", repository_id: "shared" },
    ...{ snapshot_id: backup_id, state: "proven", reason: "schedule", started_at: iso(hours) },
    ...{ finished_at: iso(hours), files: 1, dirs: 1, bytes: 1, added_bytes: 1, took_ms: 1, left_out: "[]" },
    ...{ left_out_total: 0, problem: null, manifest: null, image: "", digest: null, forgotten_at: null },
  } satisfies BackupTable;
  await lab.db.insertInto("backups").values(row).execute();
}

test("a backup of a time that has not come is dated right after the one before it, in its order; others stay", async () => {
  await made("old", -30);
  await made("before", -2);
  await made("ahead 1", 48);
  await made("ahead 2", 49);
  await made("after", -1);
  await made("alone", 72, crypto.randomUUID());
  expect(await mendTimes(lab, NOW)).toBe(3);
  const rows = await lab.db.selectFrom("backups").selectAll().orderBy("started_at").execute();
  const mine = rows.filter((row) => row.project_id === ID);
  // Between which of the others it was nobody knows: never later than it can have been.
  expect(mine.map((row) => row.backup_id)).toEqual(["old", "before", "after", "ahead 1", "ahead 2"]);
  expect(mine.at(-1)?.started_at && Date.parse(mine.at(-1)?.started_at ?? "")).toBe(NOW - HOUR + 2);
  expect(rows.find((row) => row.backup_id === "alone")?.started_at).toBe(iso(-24));
  expect(await mendTimes(lab, NOW)).toBe(0);
});
