/**
 * The appliance with its projects on a disk of their own, under QEMU: the disk is taken out, and put back. Only with
 * COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ApiClient } from "../../src/contract/client.ts";
import { execOk } from "../../src/core/exec.ts";
import {
  appliances,
  BOOT_MS,
  browserOf,
  inProject,
  SLOW,
  setupToken,
  signIn,
  whyNotLong,
} from "../fixtures/appliance.ts";
import type { Vm } from "../fixtures/vm.ts";

describe.skipIf(whyNotLong !== undefined)(
  `the appliance with projects on a disk of their own (${whyNotLong ?? "long"})`,
  () => {
    const lab = appliances();
    const disks: string[] = [];
    let vm: Vm;
    let hub: ApiClient;
    let id: string;
    let dir = "";

    beforeAll(async () => {
      dir = mkdtempSync("/var/tmp/cocalc-vm-disk-");
      const disk = join(dir, "projects.raw");
      await execOk(["truncate", "-s", "8G", disk]);
      disks.push(disk);
      vm = await lab.make({
        disks,
        seed: { "meta-data": "instance-id: one\n", "cocalc.yaml": "storage_device: /dev/vdb\n" },
      });
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    test(
      "the pool is made on the disk that the seed names",
      async () => {
        await vm.powerOn();
        const token = await setupToken(vm);
        hub = await lab.until("root's shell", async () => await browserOf(vm, lab.port), BOOT_MS);
        await lab.setUp(hub, token);
        expect(await vm.ok("findmnt -no SOURCE -t btrfs")).toMatch(/^\/dev\/vdb(\[|$)/m);
        id = (await hub.projects.create({ name: "on the disk" })).project_id;
        await hub.projects.start(id);
        await lab.running(hub, id);
        expect(await vm.ok(inProject(id, "echo kept >~/kept; sync ~/kept; cat ~/kept"))).toBe("kept\n");
        await vm.sh("systemctl poweroff");
        await vm.off(SLOW);
      },
      3 * BOOT_MS,
    );

    test(
      "without the disk the console says so, hub and health page too, and nothing is made in its place",
      async () => {
        const [disk] = disks.splice(0);
        await vm.powerOn();
        await vm.says(/! cocalc-storage\.service is failed: journalctl -u cocalc-storage/, BOOT_MS);
        await lab.until("the hub answers", () => signIn(hub), BOOT_MS);
        expect(await vm.ok("journalctl -b -u cocalc-storage --no-pager")).toContain("storage.");
        expect(await vm.ok("findmnt -no SOURCE -t btrfs || true")).toBe("");
        await lab.until(
          "the host says why it is not ready",
          async () => (await hub.hosts.list())[0]?.problem?.code === "storage.not-mounted",
          BOOT_MS,
        );
        const { checks } = await hub.doctor.run();
        expect(checks.find((one) => one.code === "host.storage")?.problem?.code).toBe("storage.not-mounted");
        disks.push(disk ?? "");
        await vm.sh("systemctl poweroff");
        await vm.off(SLOW);
      },
      3 * BOOT_MS,
    );

    test(
      "with the disk it is as it was",
      async () => {
        await vm.powerOn();
        await lab.until("the hub answers", () => signIn(hub), BOOT_MS);
        await hub.projects.start(id).catch(() => undefined);
        await lab.running(hub, id);
        expect(await lab.until("its file", () => vm.ok(inProject(id, "cat ~/kept")), BOOT_MS)).toBe("kept\n");
        expect(await vm.ok("systemctl --failed --no-legend --plain")).toBe("");
      },
      3 * BOOT_MS,
    );
  },
);
