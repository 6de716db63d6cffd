import { expect, test } from "bun:test";
import type { PoolFacts } from "../../contract/storage.ts";
import { storageCheck } from "./storage-check.ts";

const pool: PoolFacts = {
  kind: "btrfs",
  mode: "sparse",
  uuid: null,
  total_bytes: 1e12,
  free_bytes: 1e11,
  snapshots: true,
  counted: "simple",
  backing: { total_bytes: 1e12, free_bytes: 2e10, reserve_bytes: 1e11 },
  watermark: "ok",
  note: null,
};
const judged = (change: Partial<PoolFacts>, errors = 0) => {
  const outcome = storageCheck("box", {
    kind: "btrfs",
    total_bytes: 1e12,
    free_bytes: 1e11,
    quotas: true,
    pool: { ...pool, ...change },
    health: { scrub: null, device_errors: { read: errors } },
    problem: null,
  });
  return [outcome.status, outcome.problem?.code];
};

test("each thing that is wrong with a pool has its state and code", () => {
  expect(judged({})).toEqual(["ok", undefined]);
  expect(judged({ watermark: "warn" })).toEqual(["warn", "storage.nearly-full"]);
  expect(judged({ watermark: "stop" })).toEqual(["fail", "storage.nearly-full"]);
  const roomy = { total_bytes: 1e12, free_bytes: 5e11, reserve_bytes: 1e11 };
  expect(judged({ watermark: "stop", backing: roomy })).toEqual(["warn", "storage.was-full"]);
  expect(judged({ counted: "polled" })).toEqual(["warn", "storage.no-quotas"]);
  expect(judged({ kind: "directory", backing: null })).toEqual(["warn", "storage.no-pool"]);
  expect(judged({}, 3)).toEqual(["fail", "storage.device-errors"]);
});

test("a pool that is not there is no plain directory", () => {
  const problem = { code: "storage.not-mounted", title: "The pool is not mounted" };
  const gone = {
    kind: "directory" as const,
    total_bytes: 1,
    free_bytes: 1,
    quotas: false,
    pool: null,
    health: null,
  };
  expect(storageCheck("box", { ...gone, problem })).toMatchObject({ status: "fail", problem });
});
