/**
 * The appliance in every other way that it boots, under QEMU: with settings, by UEFI, on a processor of 2008; what
 * works in it; copied; full. Most of an hour, so only with COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";
import type { DoctorReport } from "../../src/contract/api.ts";
import type { ApiClient } from "../../src/contract/client.ts";
import {
  appliances,
  BOOT_MS,
  browserOf,
  consoleWithKeys,
  HUB,
  inProject,
  SLOW,
  setupToken,
  signIn,
  usedMb,
  whyNotLong,
} from "../fixtures/appliance.ts";
import {
  launch,
  makeAdmin,
  shot,
  terminalShows,
  trusting,
  typeLine,
  watchedPage,
} from "../fixtures/browser.ts";
import type { Vm } from "../fixtures/vm.ts";

const UEFI = existsSync("/usr/share/OVMF/OVMF_CODE_4M.fd");
const MIB = 2 ** 20;
/** Not the one that QEMU's DHCP gives. */
const STATIC = "10.0.2.77";
/** Where a browser goes: the hub, its links to apps, and the first of the ports that pages of projects are on. */
const WEB = [9200, 9202, 9210];
const NO_FAILURE = "systemctl --failed --no-legend --plain";

describe.skipIf(whyNotLong !== undefined)(
  `the appliance with settings, on an old processor (${whyNotLong ?? "long"})`,
  () => {
    const lab = appliances();
    let vm: Vm;
    let hub: ApiClient;
    let id: string;
    let shown: string;
    let browser: Browser | undefined;
    const here = (port: number) => lab.port + 10 * (port - 9200);
    const uuid = "11111111-2222-4333-8444-555555555555";

    beforeAll(async () => {
      vm = await lab.make({
        ports: { 22: lab.port + 1, ...Object.fromEntries(WEB.map((port) => [port, here(port)])) },
        cpu: "Nehalem",
        uefi: UEFI,
        uuid,
        address: STATIC,
        seed: {
          "meta-data": "instance-id: one\n",
          "cocalc.yaml": [
            "hostname: lab1",
            `address: ${STATIC}/24`,
            "gateway: 10.0.2.2",
            "dns: 10.0.2.3",
            "public_host: cocalc.example.org",
            "admin_mail: ada@example.org",
            "",
          ].join("\n"),
        },
      });
    });
    afterAll(() => browser?.close());

    test(
      "each setting is in force, and nothing has failed",
      async () => {
        await vm.powerOn();
        const token = await setupToken(vm);
        console.log(`${UEFI ? "UEFI, " : ""}Nehalem, seed: address and token after ${vm.seconds()} s`);
        shown = await consoleWithKeys(vm);
        expect(shown).toContain(`https://${STATIC}:9200/setup#token=${token}&email=ada@example.org`);
        hub = await lab.until("root's shell", async () => await browserOf(vm, lab.port), BOOT_MS);
        expect(await vm.ok("hostname")).toBe("lab1\n");
        expect(await vm.ok("systemctl show -p Environment cocalc-hub")).toContain(
          "COCALC_PUBLIC_HOST=cocalc.example.org",
        );
        expect(await vm.ok(NO_FAILURE)).toBe("");
        expect(await vm.ok("journalctl -b --no-pager | grep -ciE 'ordering cycle' || true")).toBe("0\n");
      },
      BOOT_MS,
    );

    test(
      "hardening and memory: figures within what is promised",
      async () => {
        const exposure = async (unit: string) =>
          Number(
            /exposure level for \S+: ([\d.]+)/.exec(
              await vm.ok(`systemd-analyze security --no-pager ${unit} | tail -n 1`),
            )?.[1],
          );
        const figures = {
          hub: await exposure("cocalc-hub.service"),
          sshd: await exposure("cocalc-sshd.service"),
          host: await exposure("cocalc-project-host.service"),
          connector: await exposure("cocalc-connector.service"),
        };
        const used = await usedMb(vm);
        console.log(`exposure ${JSON.stringify(figures)}; memory of the idle machine ${used} MB`);
        expect(figures.hub).toBeLessThanOrEqual(2);
        expect(figures.host).toBeLessThanOrEqual(5);
        expect(used).toBeLessThanOrEqual(450);
      },
      SLOW,
    );

    test(
      "in a browser: the console's link makes the account, a project has a terminal, a web server in it is offered",
      async () => {
        const link = /https:\/\/\S+\/setup#\S+/.exec(shown)?.[0] ?? "";
        // At the machine's own addresses, as on its network.
        const rules = WEB.map((port) => `MAP ${STATIC}:${port} 127.0.0.1:${here(port)}`);
        browser = await launch([`--host-resolver-rules=${rules.join(", ")}`, ...(await trusting(lab.port))]);
        const { page, errors } = await watchedPage(browser);
        page.setDefaultTimeout(SLOW);
        await page.goto(link);
        await lab.until(
          "the mail of the seed is filled in",
          async () => (await page.getByLabel("E-mail address").inputValue()) === "ada@example.org",
          SLOW,
        );
        await shot(page, "appliance-setup");
        await makeAdmin(page, link, BOOT_MS);
        await shot(page, "appliance-hosts");
        await page.goto(new URL("/projects", link).href);
        await page.getByRole("button", { name: "Make the first project" }).click();
        await page.getByRole("textbox", { name: "Name" }).fill("climate");
        await page.getByRole("button", { name: "Create and open" }).click();
        await terminalShows(page, /[$#]\s*$/, BOOT_MS);
        await typeLine(page, "echo kept-$((40+2)) >www.txt; cat www.txt; python3 -m http.server 8000");
        await terminalShows(page, /^kept-42/m, SLOW);
        await shot(page, "appliance-terminal");
        const offered = page.getByRole("link", { name: /8000/ });
        const [opened] = await Promise.all([page.context().waitForEvent("page"), offered.click()]);
        await opened.getByText("www.txt").waitFor({ timeout: SLOW });
        await shot(opened, "appliance-proxied");
        console.log(`a project's web server in the browser: ${new URL(opened.url()).host}`);
        expect(errors).toEqual([]);
        await browser.close();
        await signIn(hub);
      },
      3 * BOOT_MS,
    );

    test(
      "the doctor has nothing to say against it, and updates come by themselves",
      async () => {
        // A machine as slow as this one may just be busy: the first report says so, and is to be asked for again.
        const report = await lab.until(
          "the doctor is content",
          async () => {
            const said = await vm.sh(`${HUB} doctor --json`);
            const now = JSON.parse(said.stdout) as DoctorReport;
            console.log(`doctor: ${now.checks.map((one) => `${one.code} ${one.status}`).join(", ")}`);
            const bad = now.checks.filter((one) => one.status === "fail" || one.status === "unknown");
            if (bad.length > 0) throw new Error(JSON.stringify(bad));
            expect(said.code).toBe(0);
            return now;
          },
          SLOW,
        );
        expect(report.checks.find((one) => one.code === "hub.updates")?.value).toStartWith("automatic");
      },
      2 * SLOW,
    );

    test(
      "a project has its limits: memory and processes of a cgroup, and a quota that answers EDQUOT",
      async () => {
        id = (
          await hub.projects.create({
            name: "bounded",
            limits: { memory_bytes: 512 * MIB, cpus: 1, pids: 200, disk_bytes: 150 * MIB },
          })
        ).project_id;
        await hub.projects.start(id);
        await lab.running(hub, id);
        expect(await vm.ok(inProject(id, "cat /proc/self/uid_map"))).not.toMatch(/^\s*0\s+0\s/);
        const greedy = await vm.sh(inProject(id, `python3 -c 'x = b"x" * (700 << 20)'`));
        expect({ code: greedy.code, said: greedy.stderr }).toEqual({ code: 137, said: "Killed\n" });
        const many = await vm.sh(inProject(id, "for i in $(seq 300); do sleep 30 & done; wait"));
        expect(many.stderr).toMatch(/fork/);
        // Neither took anything else of the project, or of the machine, with it.
        expect(await vm.ok(inProject(id, "echo lives"))).toBe("lives\n");
        const said = await vm.sh(
          inProject(
            id,
            "head -c 300M /dev/zero | tr '\\\\0' x >~/big; sync ~/big; head -c 300M /dev/urandom >~/big; sync ~/big",
          ),
        );
        expect(said.stderr + said.stdout).toContain("quota");
        await vm.ok(inProject(id, "rm -f ~/big; sync"));
        const usage = await lab.until(
          "figures",
          async () => (await hub.projects.usage(id)).usage ?? undefined,
          SLOW,
        );
        expect(usage.processes).toBeGreaterThan(0);
        expect(
          await vm.ok(`find /sys/fs/cgroup -name memory.max -exec grep -lx ${512 * MIB} {} + | wc -l`),
        ).not.toBe("0\n");
      },
      3 * SLOW,
    );

    test(
      "a web server in it answers through the gateway; SSH reaches it; its backup is proven",
      async () => {
        await vm.ok(
          inProject(
            id,
            "mkdir -p www && echo hello >www/a && (cd www && exec setsid python3 -m http.server 8000 --bind 127.0.0.1) >/dev/null 2>&1 </dev/null &",
          ),
        );
        const key = (await hub.me.createKey("test")).key;
        const curl = `curl -fsS -H 'authorization: Bearer ${key}' -H 'host: ${id}.localhost:9204' http://127.0.0.1:9204/${id}/proxy/8000/a`;
        await lab.until("the app answers", async () => (await vm.ok(curl)) === "hello\n", SLOW);
        await vm.ok("ssh-keygen -q -t ed25519 -N '' -f /root/mine");
        await hub.ssh.addKey({ key: (await vm.ok("cat /root/mine.pub")).trim() });
        const { user, gateway } = await hub.ssh.project(id);
        const login = `ssh -o StrictHostKeyChecking=no -o BatchMode=yes -i /root/mine -p ${gateway?.port} ${user}@127.0.0.1 cat www/a`;
        expect(
          (await lab.until("the key is known", async () => await vm.ok(login), SLOW)).endsWith("hello\n"),
        ).toBe(true);
        // On a machine this slow ssh may not be let in within rustic's time; the next run tries again.
        await lab.until("a backup", () => vm.ok(`${HUB} backup run ${id}`, { timeout: 600_000 }), SLOW);
        expect(await vm.ok(`${HUB} backup list ${id} --json`)).toContain('"proven"');
      },
      3 * SLOW,
    );

    test(
      "a disk that is nearly full is told on the console, and so is when it has room again",
      async () => {
        await vm.ok("fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 300000000)) /filler");
        await vm.says(/the disk is nearly full \(\d+ MB left\): projects are stopped/, SLOW);
        await vm.ok("rm /filler");
        // What was said before is still being drawn, at the speed of a serial line.
        const newest = () => vm.console().slice(vm.console().lastIndexOf("CoCalc appliance"));
        await lab.until(
          "it is told",
          async () => /machine's SSH key [^\n]*\n/.test(newest()) && !newest().includes("nearly full"),
          SLOW,
        );
      },
      2 * SLOW,
    );

    test(
      "its disk, copied to another machine, says so there; forget-machine gives that one an identity of its own",
      async () => {
        await vm.sh("sync; systemctl poweroff");
        await vm.off(SLOW);
        const other = await lab.make({
          image: vm.disk,
          key: vm.key,
          ports: { 9200: lab.port + 2, 22: lab.port + 3 },
          address: STATIC,
          uuid: "99999999-2222-4333-8444-555555555555",
        });
        await other.powerOn();
        await other.says(/this disk was copied from another machine/, BOOT_MS);
        await lab.until("root's shell", () => other.ok("true"), BOOT_MS);
        await other.sh("/usr/local/libexec/cocalc/forget-machine --yes && systemctl poweroff");
        await other.off(SLOW);
        await other.powerOn();
        await setupToken(other);
        for (const what of [/machine's SSH key .*/, /hub's SSH key .*/]) {
          const mine = await other.says(what, BOOT_MS);
          expect(mine[0]).not.toBe(what.exec(shown)?.[0] ?? "");
        }
        expect(other.console()).not.toContain("copied from another machine");
      },
      3 * BOOT_MS,
    );
  },
);
