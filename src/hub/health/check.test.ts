import { expect, test } from "bun:test";
import { CodedError } from "../../core/errors.ts";
import { fail, ok, runChecks, unknown } from "./check.ts";

const define = (code: string, run: () => Promise<ReturnType<typeof ok>>) => ({
  code,
  group: "g",
  name: code,
  run,
});

test("counts every outcome, and healthy means nothing failed", async () => {
  const report = await runChecks([
    define("a", async () => ok("1 ms")),
    define("b", async () => fail("0 GiB", { code: "b.low", title: "low" })),
  ]);
  expect(report.counts).toEqual({ ok: 1, warn: 0, fail: 1, unknown: 0, skipped: 0 });
  expect(report.healthy).toBe(false);
  expect(report.checks[1]?.problem?.code).toBe("b.low");
});

test("unknown never counts as healthy", async () => {
  const report = await runChecks([define("a", async () => unknown({ code: "a.silent", title: "silent" }))]);
  expect(report.healthy).toBe(false);
});

test("a check that hangs becomes unknown and holds nobody up", async () => {
  const report = await runChecks(
    [define("a", () => new Promise(() => {})), define("b", async () => ok("fine"))],
    {
      timeout: 20,
    },
  );
  expect(report.checks.map((check) => check.status)).toEqual(["unknown", "ok"]);
  expect(report.checks[0]?.problem?.code).toBe("a-timeout");
});

test("an answer that did not come in time is unknown, whoever waited for it", async () => {
  const report = await runChecks([
    define("a", async () => {
      throw new CodedError({ code: "conat.timeout", title: "No answer from host.x.y within 18 s" });
    }),
  ]);
  expect(report.checks.map((check) => [check.status, check.problem?.code])).toEqual([
    ["unknown", "a-timeout"],
  ]);
});

test("a check's own time limit goes before the common one", async () => {
  const report = await runChecks([
    { ...define("a", () => new Promise(() => {})), timeoutMs: 20 },
    define("b", async () => ok("fine")),
  ]);
  expect(report.checks.map((check) => check.status)).toEqual(["unknown", "ok"]);
});

test("a coded error is a failure with its own code; any other says that the check failed", async () => {
  const report = await runChecks([
    define("a", async () => {
      throw new CodedError({ code: "podman.missing", title: "no podman" });
    }),
    define("b", async () => {
      throw new TypeError("x is undefined");
    }),
  ]);
  expect(report.checks.map((check) => [check.status, check.problem?.code])).toEqual([
    ["fail", "podman.missing"],
    ["unknown", "b-error"],
  ]);
});
