import { expect, test } from "bun:test";
import fc from "fast-check";
import { awakeBy, type IdleState, judgeIdle, WARN_MS } from "./idle.ts";
import { cgroupDirs, cpuTicks } from "./measure.ts";

const MINUTE = 60_000;
const fresh: IdleState = { idleSince: undefined, warned: false };

test("idle for its time: warned five minutes before, then stopped; what goes on takes the warning back", () => {
  let state = fresh;
  const at = (minute: number, awake = false) => {
    const verdict = judgeIdle(state, awake, 30, minute * MINUTE);
    state = verdict.state;
    return verdict.act;
  };
  expect([at(0, true), at(1), at(20), at(26), at(27), at(28, true)]).toEqual([
    undefined,
    undefined,
    undefined,
    "warn",
    undefined,
    "unwarn",
  ]);
  expect([at(29), at(54), at(58), at(59)]).toEqual([undefined, "warn", undefined, "stop"]);
});

test("0 is never", () => {
  expect(judgeIdle(fresh, false, 0, 1e15)).toMatchObject({ stopsAt: undefined, act: undefined });
});

test("nothing is stopped without a warning that came long enough before, whatever the clock does", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 1e7 })), { maxLength: 60 }),
      (minutes, steps) => {
        let state = fresh;
        let now = 1e12;
        let warned: number | undefined;
        for (const [awake, passed] of steps) {
          now += passed;
          const { act, state: next } = judgeIdle(state, awake, minutes, now);
          state = next;
          if (act === "warn") warned = now;
          if (act === "unwarn") warned = undefined;
          if (act !== "stop") continue;
          expect(warned).toBeDefined();
          expect(now - (warned ?? now)).toBeGreaterThanOrEqual(Math.min(WARN_MS, minutes * 30_000));
          expect(awake).toBe(false);
          return;
        }
      },
    ),
  );
});

test("what keeps it awake is said in words", () => {
  expect(awakeBy({ cpus: 0.01, viewed: 0, programs: [], connections: 0, ssh: 0 })).toEqual([]);
  expect(awakeBy({ cpus: 1.5, viewed: 1, programs: ["vim"], connections: 2, ssh: 1 })).toEqual([
    "a terminal that somebody looks at",
    "vim in a terminal",
    "an SSH login",
    "2 connections to it",
    "programs that use 1.50 CPUs",
  ]);
});

test("cgroups of both versions, and a process name that tries to be clever", () => {
  expect(cgroupDirs("0::/machine/libpod-a\n").get("")).toBe("/sys/fs/cgroup/machine/libpod-a");
  expect(cgroupDirs("4:cpu,cpuacct:/libpod-b\n3:memory:/libpod-b\n").get("cpuacct")).toBe(
    "/sys/fs/cgroup/cpu,cpuacct/libpod-b",
  );
  expect(cgroupDirs("0::/../../etc\n").size).toBe(0);
  expect(cpuTicks("12 (a) b) S 1 1 1 0 -1 4 0 0 0 0 70 30 0 0 20 0")).toBe(100);
});
