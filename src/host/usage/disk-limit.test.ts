import { expect, test } from "bun:test";
import type { Usage } from "../../contract/storage.ts";
import { judgeDisk } from "./disk-limit.ts";

const GIB = 2 ** 30;
const usage = (change: Partial<Usage>): Usage => ({
  quota_bytes: 10 * GIB,
  used_bytes: 0,
  live_bytes: 0,
  held_bytes: 0,
  counted: "simple",
  measured_at: "2026-11-25T00:00:00Z",
  ...change,
});

test("told from 95 % of the limit on, and never without one", () => {
  expect(judgeDisk(usage({ used_bytes: 9.4 * GIB }))).toBeNull();
  expect(judgeDisk(usage({ used_bytes: 99 * GIB, quota_bytes: null }))).toBeNull();
  expect(judgeDisk(usage({ used_bytes: 9.6 * GIB }))?.title).toContain("nearly");
  expect(judgeDisk(usage({ used_bytes: 10 * GIB, held_bytes: 4 * GIB }))?.why).toContain("hold 4.0 GiB");
});

test("where the kernel keeps no limit, it is said", () => {
  const polled = judgeDisk(usage({ used_bytes: 11 * GIB, counted: "polled" }));
  expect(polled?.why).toContain("Linux 6.7");
  expect(polled?.why).not.toContain("Disk quota exceeded");
});
