/** The appliance's machine is upgraded, under QEMU and so under a real systemd. Only with COCALC_TEST_LONG=1. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { appliances, BOOT_MS, BUILD_MS, HUB, SLOW, setupToken, whyNotLong } from "../fixtures/appliance.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import type { Vm } from "../fixtures/vm.ts";

const NO_FAILURE = "systemctl --failed --no-legend --plain";

describe.skipIf(whyNotLong !== undefined)(`the appliance is upgraded (${whyNotLong ?? "long"})`, () => {
  let releases: Releases;
  let vm: Vm;
  let dir: string;

  const lab = appliances(async () => {
    releases = await makeReleases();
    return ["--release", await releases.make("9.1.0")];
  });
  beforeAll(async () => {
    dir = mkdtempSync("/var/tmp/cocalc-disc-");
    const next = await releases.make("9.2.0");
    await releases.breakProgram("9.2.0", "9.3.0", "cocalc-hub");
    cpSync(next, join(dir, "9.2.0"), { recursive: true });
    cpSync(join(releases.dir, "cocalc-launchpad-9.3.0"), join(dir, "9.3.0"), { recursive: true });
    vm = await lab.make({ disc: dir });
  }, BUILD_MS);
  afterAll(() => {
    releases?.remove();
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  test(
    "to the next release; a bad one is taken back by itself, and all is as before",
    async () => {
      await vm.powerOn();
      const token = await setupToken(vm);
      await lab.until(
        "root's shell",
        () => vm.ok("mkdir -p /disc && mount /dev/disk/by-label/DISC /disc"),
        BOOT_MS,
      );
      const upgrade = (version: string) =>
        vm.sh(`sh /disc/${version}/install.sh --offline /disc/${version}`, { timeout: BOOT_MS });
      const done = await upgrade("9.2.0");
      expect(done.stderr).toContain("all services run 9.2.0 and are ready");
      const bad = await upgrade("9.3.0");
      expect(bad.code).not.toBe(0);
      expect(await vm.ok(`${HUB} --version`)).toStartWith("9.2.0");
      expect(await vm.ok("cat /run/issue.d/cocalc.issue")).toContain(`token=${token}`);
      await lab.until("nothing has failed", async () => (await vm.ok(NO_FAILURE)) === "", SLOW);
    },
    4 * BOOT_MS,
  );
});
