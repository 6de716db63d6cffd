import { expect, test } from "bun:test";
import { hostPaths } from "../../core/paths.ts";
import { leavingPlan } from "./leave-plan.ts";

const paths = hostPaths("/d");
const plan = (keepData: boolean, installed: boolean) =>
  leavingPlan(paths, { keepData, installed, hostId: "h", root: true, has: () => true });

test("without its data: all of it goes, and the log lies outside", () => {
  const { removes, keeps, log } = plan(false, false);
  expect(removes).toContain("/d/project-host");
  expect(log).toBe("/var/log/cocalc/left-h.log");
  expect(keeps).toContain(log);
  expect(plan(false, true).removes).toContain("the service's user");
});

test("with its data kept: the identity goes, projects and pool stay", () => {
  const { removes, keeps } = plan(true, false);
  expect(removes).toEqual(expect.arrayContaining(["/d/project-host/host.json", "/d/project-host/ssh"]));
  expect(removes).not.toContain("/d/project-host");
  expect(keeps).toEqual(expect.arrayContaining(["/d/project-host/projects", "/d/project-host/storage"]));
});
