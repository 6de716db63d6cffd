/**
 * The appliance's disk, built and booted under QEMU without KVM: what a person sees who imports it, and what is left
 * after the cable was pulled. Needs root and QEMU; every other way to boot it is in appliance-long.test.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import type { ApiClient } from "../../src/contract/client.ts";
import { execOk } from "../../src/core/exec.ts";
import {
  answers,
  appliances,
  BOOT_MS,
  browserOf,
  consoleWithKeys,
  inProject,
  SLOW,
  setupToken,
  signIn,
  usedMb,
  whyNoAppliance,
} from "../fixtures/appliance.ts";
import { Hopeless } from "../fixtures/running-hub.ts";
import type { Vm } from "../fixtures/vm.ts";

const REPO = resolve(import.meta.dir, "../..");
/** Acknowledged writes of files and changes of the hub's before the cable is pulled. */
const ENOUGH = 25;
/** The characters of the first virtual terminal, as they are on the screen; a line that is too long goes on below. */
const SCREEN = "cat /dev/vcs1";
if (whyNoAppliance) console.error(`skipped: ${whyNoAppliance}`);

describe.skipIf(whyNoAppliance !== undefined)("the appliance under QEMU", () => {
  const lab = appliances();
  let vm: Vm;
  let hub: ApiClient;
  let id: string;
  let shown: string;

  beforeAll(async () => {
    vm = await lab.make();
  });

  test("it is sealed: nothing in it that two machines must not share", async () => {
    const said = await execOk(["bash", join(REPO, "image/inspect.sh"), lab.image], { timeout: 120_000 });
    expect(said).not.toContain("BAD");
    expect(said.match(/^ok /gm)?.length).toBeGreaterThan(20);
  }, 120_000);

  test(
    "first boot without a seed: the console shows address, token and keys; the hub answers with its own CA; an admin, a project",
    async () => {
      await vm.powerOn();
      await lab.until("the hub answers", () => answers(lab.port), BOOT_MS);
      console.log(`power-on to the hub's answer: ${vm.seconds()} s`);
      const token = await setupToken(vm);
      console.log(`power-on to address and token on the console: ${vm.seconds()} s`);
      shown = await consoleWithKeys(vm);
      expect(shown).not.toMatch(/ordering cycle|Failed to start/i);
      hub = await lab.until("root's shell", async () => await browserOf(vm, lab.port), BOOT_MS);
      expect(await vm.ok("cat /run/issue.d/cocalc.issue")).toContain(`/setup#token=${token}`);
      await lab.until("the screen shows it", async () => (await vm.ok(SCREEN)).includes(token), SLOW);
      expect((await hub.setup.status()).needed).toBe(true);
      // Hub, host and sshd, before there is a project.
      await lab.until("all is started", () => vm.ok("systemctl is-system-running"), BOOT_MS);
      const used = await usedMb(vm);
      console.log(`memory of the idle machine: ${used} MB`);
      expect(used).toBeLessThanOrEqual(450);
      // Before there is an admin, there is nothing else to be had.
      expect(await hub.projects.list().then(String, (error: Error & { code?: string }) => error.code)).toBe(
        "auth.required",
      );
      await lab.setUp(hub, token);
      id = (await hub.projects.create({ name: "kept" })).project_id;
      await hub.projects.start(id);
      await lab.running(hub, id);
      console.log(`power-on to a running project: ${vm.seconds()} s`);
    },
    2 * BOOT_MS,
  );

  test(
    "nothing has failed, no ordering cycle, the disk has grown",
    async () => {
      expect(await vm.ok("systemctl --failed --no-legend --plain")).toBe("");
      expect(await vm.ok("journalctl -b --no-pager | grep -ciE 'ordering cycle' || true")).toBe("0\n");
      expect(Number(await vm.ok("df --output=size -BG / | tail -n 1 | tr -dc 0-9"))).toBeGreaterThan(12);
    },
    SLOW,
  );

  test(
    "hard power-off while files and the hub's records are written: it boots again, nothing acknowledged is lost",
    async () => {
      const writer = Bun.spawn(
        vm.argv(inProject(id, "i=0; while :; do i=$((i + 1)); echo $i >f$i && sync f$i && echo $i; done")),
        { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      );
      let files = 0;
      const reading = (async () => {
        let text = "";
        for await (const chunk of writer.stdout) {
          text += new TextDecoder().decode(chunk);
          files = text.split("\n").length - 1;
        }
      })();
      const names: string[] = [];
      let writing = true;
      const changing = (async () => {
        for (let n = 0; writing; n++) {
          const name = `project ${n}`;
          const made = await hub.projects.create({ name }).catch(() => undefined);
          if (made) names.push(name);
          // Not as fast as it goes: the machine has one slow processor, and the files are written on it too.
          await Bun.sleep(1_000);
        }
      })();
      const complaint = new Response(writer.stderr).text();
      await lab
        .until(
          "enough is acknowledged",
          async () => {
            if (writer.exitCode !== null) throw new Hopeless(`the writer ended: ${await complaint}`);
            return files >= ENOUGH && names.length >= 5;
          },
          SLOW,
        )
        .catch((error: unknown) => {
          writing = false;
          throw new Error(`acknowledged: ${files} files, ${names.length} projects`, { cause: error });
        });
      await vm.cut();
      writing = false;
      await Promise.all([reading, changing, writer.exited]);
      console.log(`acknowledged before the cable was pulled: ${files} files, ${names.length} projects`);

      await vm.powerOn();
      await vm.says(/machine's SSH key/, BOOT_MS);
      await lab.until("the hub answers", () => signIn(hub), BOOT_MS);
      console.log(`power-on to the second answer: ${vm.seconds()} s`);
      const there = (await hub.projects.list()).map((one) => one.name);
      expect(there.filter((name) => names.includes(name)).sort()).toEqual([...names].sort());
      await lab.running(hub, id);
      const count = inProject(
        id,
        `i=0; while [ $i -lt ${files} ]; do i=$((i + 1)); [ "$(cat f$i)" = $i ] || exit 1; done; echo whole`,
      );
      // Until its host is back, the hub knows the project as it was before.
      expect(await lab.until("its files are read", () => vm.ok(count), BOOT_MS)).toBe("whole\n");
      for (const what of [/machine's SSH key .*/, /hub's SSH key .*/]) {
        await vm.says(what, SLOW);
        expect(what.exec(vm.console())?.[0]).toBe(what.exec(shown)?.[0] ?? "");
      }
      expect(await vm.ok("systemctl --failed --no-legend --plain")).toBe("");
    },
    4 * BOOT_MS,
  );
});
