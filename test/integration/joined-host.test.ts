/**
 * Two machines under systemd on a network of their own: the second joins the first with the line that it printed, by
 * the hub's own installer; both reboot; the hub is upgraded, then it
 * upgrades the host, which goes back by itself where that does not work. No internet anywhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DoctorReport, Host, JoinTokenCreated } from "../../src/contract/api.ts";
import type { HostCommand } from "../../src/contract/api-commands.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { type BootedTree, makeTree, OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import { until } from "../fixtures/running-hub.ts";

const works = (host: Host) => host.state === "ready" || OF_THE_TREE.includes(host.problem?.code);
const ROOT = process.getuid?.() === 0;
const SLOW = 400_000;
const CLI = "/var/lib/cocalc/.local/share/cocalc/bin/current/cocalc-hub";

describe.skipIf(!ROOT)("a host joins, reboots, is upgraded (needs root: namespaces)", () => {
  const names = ["hub", "far"].map((name) => `cc-${name}-${process.pid}`) as [string, string];
  let hub: BootedTree;
  let far: BootedTree;
  let releases: Releases;

  async function makeMachine(netns: string, name: string): Promise<BootedTree> {
    const tree = await makeTree({
      netns,
      async prepare(root) {
        // A pool would take the disk of the machine that tests.
        const dir = join(root, "etc/systemd/system/cocalc-storage.service.d");
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, "test.conf"), "[Unit]\nConditionPathExists=/nowhere\n");
        writeFileSync(join(root, "etc/hostname"), `${name}\n`);
      },
    });
    await tree.boot();
    return tree;
  }
  const hosts = async () => JSON.parse((await hub.exec([CLI, "host", "list", "--json"])).stdout) as Host[];
  const farHost = async () => (await hosts()).find((one) => one.type.kind === "self-host");
  const ready = async () => {
    const host = await farHost();
    return host !== undefined && works(host) && host.tunnel.state === "up" && host;
  };
  async function paste(): Promise<{ code: number; stderr: string }> {
    const made = JSON.parse(await hub.ok([CLI, "host", "token", "--json"])) as JoinTokenCreated;
    expect(made.line).toContain("/install.sh");
    return await far.exec(["sh", "-c", made.line], { timeout: 150_000 });
  }

  beforeAll(async () => {
    releases = await makeReleases();
    for (const version of ["0.1.0", "0.2.0"]) await releases.make(version);
    for (const name of names) await execOk(["ip", "netns", "add", name]);
    const [a, b] = names;
    await execOk([
      "ip",
      "link",
      "add",
      "eth0",
      "netns",
      a,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      b,
    ]);
    for (const [at, name] of names.entries()) {
      await execOk(["ip", "-n", name, "addr", "add", `198.19.7.${at + 1}/24`, "dev", "eth0"]);
      await execOk(["ip", "-n", name, "link", "set", "eth0", "up"]);
    }
    hub = await makeMachine(a, "hub");
    far = await makeMachine(b, "far");
    for (const version of ["0.1.0", "0.2.0"]) {
      const from = join(releases.dir, `cocalc-launchpad-${version}`);
      cpSync(from, join(hub.root, "releases", version), { recursive: true });
    }
    const installed = await hub.exec(["sh", "/releases/0.1.0/install.sh", "--base-port", "9300"], {
      timeout: 150_000,
    });
    expect(installed.stderr).toContain("https://198.19.7.1:9300/setup#token=");
  }, SLOW);

  afterAll(async () => {
    await far?.destroy();
    await hub?.destroy();
    for (const name of names) await exec(["ip", "netns", "del", name]);
    releases?.remove();
  }, SLOW);

  test(
    "the line that the hub prints makes the machine its host, with the release's signature checked",
    async () => {
      const joined = await paste();
      expect(joined.stderr).toContain("signature and list of files hold");
      expect(joined.stderr).toContain("this machine is a host of https://198.19.7.1:9300 now");
      expect(joined.code).toBe(0);
      await until("the hub sees it ready", ready, 60_000);
      const units = await far.ok([
        "systemctl",
        "list-units",
        "cocalc-*",
        "--plain",
        "--no-legend",
        "--no-pager",
      ]);
      expect(units).not.toContain("cocalc-hub");
      expect(units).toContain("cocalc-connector.service");
    },
    SLOW,
  );

  test(
    "reboots, of the host, of the hub, of both at once: the tunnel is back by itself",
    async () => {
      const id = (await farHost())?.host_id;
      for (const machines of [[far], [hub], [far, hub]]) {
        await Promise.all(machines.map((one) => one.powerOff()));
        const off = Date.now();
        await Promise.all(machines.map((one) => one.boot()));
        // An echo from before the reboot does not count.
        await until(
          "an echo goes through the tunnel again",
          async () => {
            const host = await ready();
            return host && Date.parse(host.tunnel.last_echo_at ?? "") > off && host.host_id === id;
          },
          90_000,
        );
        for (const one of machines) expect(await one.ok(["systemctl", "--failed", "--no-legend"])).toBe("");
      }
    },
    SLOW,
  );

  const command = async () =>
    (JSON.parse(await hub.ok([CLI, "host", "commands", "far", "--json"])) as HostCommand[])[0];
  const runs = (version: string) => async () => {
    const host = await ready();
    return host && host.report?.version === version && host;
  };
  const DROP_IN = "/etc/systemd/system/cocalc-project-host.service.d/test.conf";
  const INSTALLED = "/usr/local/lib/cocalc/current/install.sh";

  test(
    "one version of skew works, and is said; a host that the new version does not suit goes back by itself, and the hub is told",
    async () => {
      const up = await hub.exec([CLI, "upgrade", "--from", "/releases/0.2.0"], { timeout: 150_000 });
      expect(up.stderr).toContain("all services run 0.2.0 and are ready");
      const skewed = await until("the older host is ready", runs("0.1.0"), 90_000);
      expect(skewed.report?.version).toBe("0.1.0");
      const checks = JSON.parse((await hub.exec([CLI, "doctor", "--json"])).stdout) as DoctorReport;
      expect(checks.checks.map((one) => one.problem?.code)).toContain("host.version-skew");
      // On this machine alone the new version does not start.
      await far.sh(
        `mkdir -p $(dirname ${DROP_IN}); printf '[Service]\\nExecStartPre=/bin/sh -c "! readlink /usr/local/lib/cocalc/current | grep -q 0.2.0"\\n' >${DROP_IN}; systemctl daemon-reload; sed -i s/HEALTHY_SECONDS=60/HEALTHY_SECONDS=30/ ${INSTALLED}`,
      );
      const refused = await hub.exec([CLI, "host", "upgrade", "far"], { timeout: 200_000 });
      expect(refused.stderr).toContain("upgrade.rolled-back");
      expect(refused.stderr).toContain("cocalc-project-host.service");
      await until("the version before is ready again", runs("0.1.0"), 90_000);
      expect(await far.ok(["readlink", "/usr/local/lib/cocalc/current"])).toBe("0.1.0\n");
      // As a power cut leaves it after the switch, before the new version has proven anything: the boot goes back.
      const bins = "/var/lib/cocalc-host/.local/share/cocalc/bin";
      const again = await far.sh(
        `ls -d ${bins}/0.2.0 /usr/local/lib/cocalc/0.2.0 && ln -sfn 0.2.0 ${bins}/current && ln -sfn 0.2.0 /usr/local/lib/cocalc/current && echo 0.2.0 0.1.0 >/usr/local/lib/cocalc/unproven && sed -i s/HEALTHY_SECONDS=60/HEALTHY_SECONDS=30/ ${INSTALLED}`,
      );
      expect(again.code).toBe(0);
      const off = Date.now();
      await far.cut();
      await far.boot();
      await until(
        "the version before runs again",
        async () => (await far.sh("ls /usr/local/lib/cocalc/unproven")).code !== 0,
        120_000,
      );
      expect(await far.ok(["readlink", "/usr/local/lib/cocalc/current"])).toBe("0.1.0\n");
      await until(
        "and is ready",
        async () => {
          const host = await ready();
          return host && Date.parse(host.report_at ?? "") > off && host.report?.version === "0.1.0";
        },
        90_000,
      );
      await far.sh(
        `rm ${DROP_IN}; systemctl daemon-reload; sed -i s/HEALTHY_SECONDS=30/HEALTHY_SECONDS=60/ /usr/local/lib/cocalc/*/install.sh`,
      );
    },
    SLOW,
  );

  test(
    "the hub upgrades its host through the tunnel, with the release's signature checked, and rolls it back",
    async () => {
      const upgraded = await hub.exec([CLI, "host", "upgrade", "--all"], { timeout: 200_000 });
      expect(upgraded.stdout).toContain("far  upgrade to 0.2.0: done, 0.2.0 runs");
      await until("the host runs the hub's version", runs("0.2.0"), 60_000);
      const log = (await far.sh("cat /var/log/cocalc/upgrade-*.log")).stdout;
      expect(log).toContain("signature and list of files hold");
      expect(log).toContain("hub: answers through the tunnel");
      expect((await hub.exec([CLI, "host", "upgrade", "far"])).stderr).toContain("upgrade.already");
      const back = await hub.exec([CLI, "host", "rollback", "far"], { timeout: 200_000 });
      expect(back.stdout).toContain("done, 0.1.0 runs");
      await until("the version before is ready", runs("0.1.0"), 90_000);
    },
    SLOW,
  );

  test(
    "a host that is away gets its upgrade when it comes back, once; a power cut in the middle begins it again",
    async () => {
      await far.powerOff();
      const asked = await hub.exec([CLI, "host", "upgrade", "far"], { timeout: 60_000 });
      expect(asked.stderr).toContain("far is away: it gets this when it comes back");
      await far.boot();
      await until("it is under way", async () => (await command())?.state === "running", 90_000);
      await until(
        "root's program writes how far it is",
        async () => (await far.sh("grep -q running /usr/local/lib/cocalc/upgrade.json")).code === 0,
        60_000,
      );
      await far.cut();
      await far.boot();
      await until("it is done", async () => (await command())?.state === "done", 240_000);
      await until("the host runs the hub's version", runs("0.2.0"), 90_000);
      const noted = await far.sh(
        "cat /var/lib/cocalc-host/.local/share/cocalc/project-host/commands/audit.log | tail -n 4",
      );
      expect(noted.stdout.match(/"what":"accepted"/g)?.length).toBe(1);
      expect(noted.stdout).toContain('"what":"begun again"');
    },
    SLOW,
  );

  test(
    "the hub's own machine: a release without an address says what to do instead; the hub goes back when asked on its page",
    async () => {
      const local = (await hosts()).find((one) => one.type.kind === "local")?.name ?? "";
      const nowhere = await hub.exec([CLI, "host", "upgrade", local], { timeout: 90_000 });
      expect(nowhere.stderr).toContain("upgrade.no-address");
      expect(nowhere.stderr).toContain("sudo cocalc-hub upgrade --from DIR");
      const back = await hub.exec([CLI, "host", "rollback", local], { timeout: 200_000 });
      expect(back.stdout).toContain("done, 0.1.0 runs");
      expect(await hub.ok([CLI, "--version"])).toStartWith("0.1.0");
      // The later host and the earlier hub understand each other.
      await until("the later host is ready", runs("0.2.0"), 90_000);
    },
    SLOW,
  );
});
