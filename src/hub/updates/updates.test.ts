import { expect, test } from "bun:test";
import { judgeUpdates } from "./updates.ts";

const now = new Date("2026-11-20T12:00:00Z");
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000);
const judged = (automatic: boolean | undefined, lastRun?: Date, waitsForReboot = false) => {
  const { status, value, problem } = judgeUpdates({ automatic, lastRun, waitsForReboot }, now);
  return [status, value, problem?.code];
};

test("each state of the security updates has its words and its code", () => {
  expect(judged(true, daysAgo(0))).toEqual(["ok", "automatic, last run today", undefined]);
  expect(judged(true, daysAgo(3))).toEqual(["ok", "automatic, last run 3 days ago", undefined]);
  expect(judged(true)).toEqual(["ok", "automatic, no run yet", undefined]);
  expect(judged(true, daysAgo(9))).toEqual(["warn", "automatic, last run 9 days ago", "updates.late"]);
  expect(judged(true, daysAgo(1), true)[2]).toBe("updates.reboot");
  expect(judged(false)).toEqual(["warn", "not automatic", "updates.off"]);
  expect(judged(undefined)[0]).toBe("skipped");
});
