import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupProblem, cgroupView } from "./cgroups.ts";

test("what is missing is named, and that nothing can be written", () => {
  expect(cgroupProblem({ controllers: ["cpu", "memory", "pids", "io"], writable: true })).toBe(null);
  const missing = cgroupProblem({ controllers: ["cpu", "pids"], writable: true });
  expect([missing?.code, missing?.why]).toEqual([
    "runtime.no-cgroups",
    "The cgroup controllers memory are not there: one project could take all memory.",
  ]);
  expect(cgroupProblem({ controllers: ["cpu", "memory", "pids"], writable: false })?.why).toContain(
    "delegates none",
  );
});

test("both kinds are read as the kernel shows them", () => {
  const dir = mkdtempSync(join(tmpdir(), "cgroup-"));
  writeFileSync(join(dir, "cgroup.controllers"), "cpuset cpu io memory pids\n");
  writeFileSync(join(dir, "cgroup.procs"), "");
  expect(cgroupView("v2", dir)).toEqual({
    controllers: ["cpuset", "cpu", "io", "memory", "pids"],
    writable: true,
  });
  expect(cgroupView("v1", dir)).toEqual({ controllers: [], writable: true });
  for (const one of ["memory", "pids"]) {
    mkdirSync(join(dir, one));
    writeFileSync(join(dir, one, "cgroup.procs"), "");
  }
  expect(cgroupView("v1", dir).controllers).toEqual(["memory", "pids"]);
  rmSync(dir, { recursive: true });
});
