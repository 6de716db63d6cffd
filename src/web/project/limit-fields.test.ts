import { expect, test } from "bun:test";
import { limitForm, limitsOf } from "./limit-fields.tsx";

const limits = { memory_bytes: 2 ** 31, cpus: 2, pids: 1000, disk_bytes: 5_000_000_000 };

test("a disk limit that nobody touched is not sent; an emptied field lifts it", () => {
  expect(limitForm(limits)).toEqual({ memory: 2048, cpus: 2, pids: 1000, disk: 4.66 });
  expect(limitsOf(limitForm(limits), limits)).toEqual({ memory_bytes: 2 ** 31, cpus: 2, pids: 1000 });
  expect(limitsOf({ ...limitForm(limits), disk: 10 }, limits).disk_bytes).toBe(10 * 2 ** 30);
  expect(limitsOf({ ...limitForm(limits), disk: "" }, limits).disk_bytes).toBeNull();
  expect(limitForm({ ...limits, disk_bytes: null }).disk).toBe("");
});
