import { expect, test } from "bun:test";
import type { Change } from "../../contract/project-services/snapshots.ts";
import { byDay, compared, newSince } from "./snapshots-model.ts";

const change = (path: string, kind: Change["kind"]): Change => ({
  path,
  kind,
  folder: false,
  size_then: null,
  size_now: null,
});
const changes = [
  change("gone", "removed"),
  change("a/b", "changed"),
  change("a/c", "added"),
  change("new", "added"),
];

test("an entry compared with now", () => {
  expect(compared("gone", changes)?.text).toBe("deleted since");
  expect(compared("a", changes)?.text).toBe("2 differences");
  expect(compared("ab", changes)?.tone).toBe("same");
  expect(compared("a", undefined)).toBeUndefined();
  expect(newSince(changes)).toEqual(["new"]);
});

test("days as a person says them", () => {
  const now = new Date(2026, 10, 25, 12);
  const at = (day: number, hour: number) => ({
    name: new Date(2026, 10, day, hour).toISOString().replace(/\.\d+Z$/, "Z"),
    kind: "schedule" as const,
    left_out: [],
  });
  const groups = byDay([at(25, 11), at(25, 1), at(24, 23), at(1, 5)], now);
  expect(groups.map(({ day, snapshots }) => [day, snapshots.length])).toEqual([
    ["Today", 2],
    ["Yesterday", 1],
    [new Date(2026, 10, 1).toLocaleDateString(), 1],
  ]);
});
