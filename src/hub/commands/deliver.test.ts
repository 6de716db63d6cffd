import { expect, test } from "bun:test";
import { judgeBackups, judgeDelivery, judgeUnknowing } from "./deliver.ts";

const now = "2026-11-25T12:00:00.000Z";
const row = { state: "waiting", finished_at: null, lease_until: null, attempts: 0 };

test("a machine that is away is waited for; one that is there gets it, and not twice within a lease", () => {
  expect(judgeDelivery(row, { connected: false, now })).toBe("wait");
  expect(judgeDelivery(row, { connected: true, now })).toBe("send");
  const leased = { ...row, attempts: 1, lease_until: "2026-11-25T12:00:30.000Z" };
  expect(judgeDelivery(leased, { connected: true, now })).toBe("wait");
  expect(judgeDelivery(leased, { connected: true, now: "2026-11-25T12:00:30.000Z" })).toBe("send");
  const ahead = { ...leased, lease_until: "2026-11-30T12:00:30.000Z" };
  expect(judgeDelivery(ahead, { connected: true, now })).toBe("send");
  expect(judgeDelivery({ ...row, finished_at: now }, { connected: true, now })).toBe("over");
});

test("a machine without commands is too old, or went back to where there were none", () => {
  const asked = { kind: "upgrade", version: "0.2.0", from_version: "0.1.0" };
  expect(judgeUnknowing({ ...asked, state: "waiting" }, "0.1.0")).toBe("too-old");
  const back = { kind: "rollback", version: null, from_version: "0.2.0", state: "running" };
  expect(judgeUnknowing(back, "0.1.0")).toBe("done");
  expect(judgeUnknowing(back, "0.2.0")).toBe("failed");
  expect(judgeUnknowing({ ...asked, state: "running" }, "0.1.0")).toBe("failed");
});

test("backups come before an upgrade; they count for half an hour, and what failed with the machine away is made again", () => {
  const upgrade = { kind: "upgrade", state: "waiting", without_backups: 0 };
  const at = { made: undefined, connected: true, now: Date.parse(now) };
  expect(judgeBackups(upgrade, at)).toBe("begin");
  expect(judgeBackups(upgrade, { ...at, connected: false })).toBe("wait");
  expect(judgeBackups({ ...upgrade, without_backups: 1 }, at)).toBe("ready");
  expect(judgeBackups({ ...upgrade, kind: "rollback" }, at)).toBe("ready");
  expect(judgeBackups({ ...upgrade, state: "running" }, at)).toBe("ready");
  const waits = { ...upgrade, state: "backing-up" };
  const running = { state: "running", problem: null, finished_at: null } as const;
  expect(judgeBackups(waits, { ...at, made: running })).toBe("wait");
  const done = (finished_at: string) => ({ ...running, state: "done" as const, finished_at });
  expect(judgeBackups(waits, { ...at, made: done("2026-11-25T11:31:00.000Z") })).toBe("ready");
  expect(judgeBackups(waits, { ...at, made: done("2026-11-25T11:29:00.000Z") })).toBe("again");
  const failed = { ...running, state: "failed" as const, finished_at: now };
  expect(judgeBackups(waits, { ...at, made: failed })).toBe("fail");
  expect(judgeBackups(waits, { ...at, made: failed, connected: false })).toBe("again");
  const away = { ...failed, problem: { code: "host.away", title: "away" } };
  expect(judgeBackups(waits, { ...at, made: away })).toBe("again");
});
