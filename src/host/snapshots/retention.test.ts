import { expect, test } from "bun:test";
import { expired, SNAPSHOT_EVERY_MS } from "./retention.ts";

const DAY = 24 * 3_600_000;
const name = (time: number) => new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
const start = Date.parse("2026-01-01T00:00:00Z");

/** A year of a project that always changes, with the schedule and its thinning at each step. */
function year(days: number): string[] {
  let kept: { name: string; kind: "schedule" }[] = [];
  // Of all but the last day a snapshot every two hours says the same, and is quicker.
  const dense = start + (days - 1) * DAY;
  for (let now = start; now < start + days * DAY; now += now < dense ? 2 * 3_600_000 : SNAPSHOT_EVERY_MS) {
    kept.push({ name: name(now), kind: "schedule" });
    const gone = new Set(expired(kept, now));
    kept = kept.filter((one) => !gone.has(one.name));
  }
  return kept.map((one) => one.name);
}

test("a project that always changes has about twenty-odd: four hours densely, then days, weeks, months", () => {
  const kept = year(200);
  const now = start + 200 * DAY;
  const within = (from: number, to: number) =>
    kept.filter((one) => now - Date.parse(one) > from && now - Date.parse(one) <= to).length;
  expect(within(0, 4 * 3_600_000)).toBe(16);
  expect(within(4 * 3_600_000, 7 * DAY)).toBeGreaterThanOrEqual(6);
  expect(within(7 * DAY, 35 * DAY)).toBeGreaterThanOrEqual(4);
  expect(within(35 * DAY, 180 * DAY)).toBeGreaterThanOrEqual(4);
  expect(kept.length).toBeLessThan(40);
});

test("what a person made stays; from before a restore, a week; a dead backup's, two days; the last one for ever", () => {
  const now = start + 400 * DAY;
  const at = (days: number) => name(now - days * DAY);
  expect(
    expired(
      [
        { name: at(399), kind: "manual" },
        { name: at(8), kind: "safety" },
        { name: at(6), kind: "safety" },
        { name: at(3), kind: "backup" },
        { name: at(1), kind: "backup" },
        { name: at(390), kind: "schedule" },
      ],
      now,
    ),
  ).toEqual([at(8), at(3)]);
});
