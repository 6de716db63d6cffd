import { expect, test } from "bun:test";
import type { UpgradeRecord } from "../machine/upgrade-record.ts";
import { decide, MAX_BEGUN } from "./decide.ts";

const ID = "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11";
const running = { command_id: ID, kind: "upgrade", state: "running", begun: 1, told: false } as const;
const upgrade = (change: Partial<UpgradeRecord>): UpgradeRecord => ({
  command_id: ID,
  kind: "upgrade",
  state: "running",
  from: "0.1.0",
  now: "0.1.0",
  step: "the release",
  problem: null,
  log: "/var/log/cocalc/x.log",
  at: "2026-11-25T12:00:00.000Z",
  ...change,
});
const none = { upgrade: undefined, active: false };

test("what was taken is begun; what is under way is waited for, also while the helper restarts", () => {
  expect(decide({ ...running, state: "accepted", begun: 0 }, none)).toEqual({ do: "begin" });
  expect(decide(running, { upgrade: upgrade({}), active: true })).toEqual({
    do: "wait",
    detail: "the release",
  });
  expect(decide(running, { upgrade: undefined, active: undefined })).toEqual({ do: "wait", detail: null });
});

test("its end is that which root's program wrote for this very command", () => {
  const problem = { code: "upgrade.rolled-back", title: "It was" };
  const failed = upgrade({ state: "failed", problem });
  expect(decide(running, { upgrade: failed, active: true })).toEqual({ do: "finish", problem });
  const another = upgrade({ command_id: "11111111-54a8-4a0e-9d8c-8d6f8f6b1b11", state: "done" });
  expect(decide(running, { upgrade: another, active: true })).toEqual({ do: "wait", detail: null });
});

test("cut off, it is begun again, but not for ever", () => {
  expect(decide(running, { upgrade: upgrade({}), active: false })).toEqual({ do: "begin" });
  expect(decide({ ...running, begun: MAX_BEGUN }, none)).toMatchObject({
    do: "finish",
    problem: { code: "upgrade.interrupted" },
  });
});

test("an end is told until the hub took it", () => {
  expect(decide({ ...running, state: "failed" }, none)).toEqual({ do: "tell" });
  expect(decide({ ...running, state: "done", told: true }, none)).toEqual({ do: "nothing" });
});

test("of a virtual machine: begun again by a daemon that has just started, and not for ever", () => {
  const vm = { ...running, kind: "vm-create" } as const;
  expect(decide(vm, { upgrade: undefined, active: true })).toEqual({ do: "wait", detail: null });
  expect(decide(vm, none)).toEqual({ do: "begin" });
  expect(decide({ ...vm, begun: MAX_BEGUN }, none)).toMatchObject({
    do: "finish",
    problem: { code: "vm.interrupted" },
  });
});
