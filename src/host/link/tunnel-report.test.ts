import { expect, test } from "bun:test";
import { stepOf } from "./tunnel-report.ts";

test("the hub hears of a tunnel that came up and of why one does not, not of each attempt", () => {
  expect(stepOf({ state: "up", problem: null, hub_key: null })).toEqual({ name: "tunnel-up", state: "done" });
  expect(stepOf({ state: "connecting", problem: null, hub_key: null })).toBeUndefined();
  const problem = {
    code: "tunnel.host-key-changed",
    title: "another key",
    why: "It shows SHA256:a; this machine was paired with SHA256:b.",
  };
  const hub_key = { known: "SHA256:b", shown: "SHA256:a", address: "hub.example" };
  expect(stepOf({ state: "down", problem, hub_key })).toEqual({
    name: "tunnel-up",
    state: "failed",
    problem,
    hub_key,
  });
});
