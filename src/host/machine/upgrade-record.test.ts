import { expect, test } from "bun:test";
import { judgeInstaller, stepOf } from "./upgrade-record.ts";

const versions = { from: "0.1.0", now: "0.1.0" };
const log = "/var/log/cocalc/x.log";

test("steps are what the installer says in brackets", () => {
  expect(stepOf("[files] the release, to /x/bin")).toBe("the release, to /x/bin");
  expect(stepOf("  ok   disk: 12 GiB free")).toBeUndefined();
});

test("a rollback by itself is told from a failure that changed nothing", () => {
  expect(judgeInstaller({ code: 0, said: [], log }, versions)).toBeNull();
  const said = [
    "[start] starting 0.2.0 in place of 0.1.0",
    "0.2.0 did not prove healthy within 60 s (cocalc-project-host.service): going back to 0.1.0",
    "error: the upgrade to 0.2.0 was rolled back; 0.1.0 runs again",
    "  fix: journalctl -u cocalc-project-host.service",
  ];
  const back = judgeInstaller({ code: 75, said, log }, versions);
  expect(back).toMatchObject({ code: "upgrade.rolled-back" });
  expect(back?.why).toContain("cocalc-project-host.service");
  const lacks = [
    "  ok   system: Debian",
    "  BAD  disk: 0 GiB free",
    "       fix: Free at least 2 GiB.",
    "error: this machine is not ready; nothing was changed",
  ];
  expect(judgeInstaller({ code: 69, said: lacks, log }, versions)?.why).toBe(
    "disk: 0 GiB free. Free at least 2 GiB. 0.1.0 runs.",
  );
  const busy = ["error: another run of this script is under way", "  fix: Wait for it to end."];
  expect(judgeInstaller({ code: 75, said: busy, log }, versions)).toMatchObject({
    code: "upgrade.failed",
    fix: "Wait for it to end.",
  });
});
