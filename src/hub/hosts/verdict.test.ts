import { expect, test } from "bun:test";
import { fakeReport } from "../../../test/fixtures/hub-lab.ts";
import type { HostState } from "../../contract/api.ts";
import { clockProblem } from "../tunnels/tunnels.ts";
import { verdict } from "./verdict.ts";

const report = fakeReport("box", 1e9);
const broken = { ...report, runtime: { ...report.runtime, problem: { code: "podman.missing", title: "t" } } };
const told = { code: "tunnel.host-key-changed", title: "t" };

/** state before, connected, up → state after and its problem's code. */
const CASES: [HostState, boolean, boolean, string][] = [
  ["bootstrapping", false, false, "unchanged"],
  ["bootstrapping", true, false, "unchanged"],
  ["bootstrapping", false, true, "unchanged"],
  ["bootstrapping", true, true, "ready"],
  ["ready", true, true, "ready"],
  ["ready", true, false, "degraded tunnel.down"],
  ["ready", false, true, "degraded host.no-control-link"],
  ["ready", false, false, "offline"],
  ["degraded", true, true, "ready"],
  ["offline", true, false, "degraded tunnel.down"],
  ["offline", false, true, "degraded host.no-control-link"],
  ["offline", true, true, "ready"],
];

for (const [state, connected, up, wanted] of CASES) {
  test(`${state}, link ${connected ? "up" : "down"}, echo ${up ? "goes round" : "is lost"}: ${wanted}`, () => {
    const got = verdict({ state, problem: null, report, desired_state: "ready" }, { connected, up });
    expect(got ? `${got.state} ${got.problem?.code ?? ""}`.trim() : "unchanged").toBe(wanted);
  });
}

test("what the host says of its tunnel goes before what is guessed, also while it joins", () => {
  for (const state of ["ready", "bootstrapping"] as const) {
    const host = { state, problem: null, report, desired_state: "ready" as const };
    expect(verdict(host, { connected: true, up: false, told })?.problem).toEqual(told);
    expect(verdict(host, { connected: true, up: true, told })?.problem).toBeNull();
  }
});

test("a runtime that cannot run anything, or a pool that is gone, is no ready host; a revoked key stays the reason; gone stays gone", () => {
  const host = { state: "ready" as const, problem: null, report: broken, desired_state: "ready" as const };
  expect(verdict(host, { connected: true, up: true })?.problem?.code).toBe("podman.missing");
  const problem = { code: "storage.not-mounted", title: "t" };
  const empty = { ...host, report: { ...report, storage: { ...report.storage, problem } } };
  expect(verdict(empty, { connected: true, up: true })).toEqual({ state: "degraded", problem });
  const revoked = { ...host, problem: { code: "host.key-revoked", title: "t" } };
  for (const up of [false, true]) {
    expect(verdict(revoked, { connected: false, up })?.problem?.code).toBe("host.key-revoked");
  }
  expect(verdict({ ...host, desired_state: "gone" }, { connected: true, up: true })).toBeUndefined();
  expect(verdict({ ...host, report: null }, { connected: true, up: true })).toBeUndefined();
});

test("a wrong clock is the cause named, though the link is down for it", () => {
  const clock = clockProblem(-7200);
  expect(clock?.title).toBe("Its clock is 7200 s behind the hub's");
  expect(clockProblem(299)).toBeUndefined();
  for (const state of ["bootstrapping", "ready"] as const) {
    const host = { state, problem: null, report, desired_state: "ready" as const };
    for (const connected of [true, false]) {
      expect(verdict(host, { connected, up: true, clock })?.problem?.code).toBe("host.clock-skew");
    }
  }
});
