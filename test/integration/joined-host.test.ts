/**
 * Two machines under systemd on a network of their own: the second joins the first with the line that it printed, by
 * the hub's own installer; both reboot; the hub is upgraded, then it
 * upgrades the host, which goes back by itself where that does not work. No internet anywhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DoctorReport, Host, JoinTokenCreated } from "../../src/contract/api.ts";
import type { HostCommand } from "../../src/contract/api-commands.ts";
import { OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { until } from "../fixtures/running-hub.ts";
import { HUB_CLI as CLI, type Machine, makeTreeNetwork, type TreeNetwork } from "../fixtures/tree-network.ts";

const works = (host: Host) => host.state === "ready" || OF_THE_TREE.includes(host.problem?.code);
const ROOT = process.getuid?.() === 0;
const SLOW = 400_000;

describe.skipIf(!ROOT)("a host joins, reboots, is upgraded (needs root: namespaces)", () => {
  let network: TreeNetwork;
  let hub: Machine;
  let far: Machine;

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
    network = await makeTreeNetwork({ names: ["hub", "far"], versions: ["0.1.0", "0.2.0"] });
    [hub, far] = network.machines as [Machine, Machine];
    expect(await hub.installHub("0.1.0")).toContain("https://198.19.7.1:9300/setup#token=");
  }, SLOW);

  afterAll(async () => {
    await network?.destroy();
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
    "a restart of its connector and its project host cuts neither the tunnel nor who is connected to the SSH gateway",
    async () => {
      const host = await until("it is ready", ready, 60_000);
      const tunnel = async () => (await far.ok(["pgrep", "-f", "^ssh .*-R"])).trim();
      const before = await tunnel();
      const script = `exec 3<>/dev/tcp/127.0.0.1/${host.ssh_port}; head -c 8 <&3; cat <&3 >/dev/null`;
      const session = Bun.spawn([...hub.inside(), "bash", "-c", script], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
        cwd: "/",
      });
      const reader = session.stdout.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toStartWith("SSH-2.0-");
      const at = Date.now();
      await far.ok(["systemctl", "restart", "cocalc-connector", "cocalc-project-host"], { timeout: 60_000 });
      await until(
        "an echo from after the restart",
        async () => {
          const now = await ready();
          return now && Date.parse(now.tunnel.last_echo_at ?? "") > at + 1_000;
        },
        60_000,
      );
      expect(await tunnel()).toBe(before);
      expect(session.exitCode).toBeNull();
      session.kill();
      expect((await far.sh("systemctl status cocalc-connector")).stdout).toContain("is up");
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
      const tunnel = await far.ok(["pgrep", "-f", "^ssh .*-R"]);
      const upgraded = await hub.exec([CLI, "host", "upgrade", "--all"], { timeout: 200_000 });
      expect(upgraded.stdout).toContain("far  upgrade to 0.2.0: done, 0.2.0 runs");
      await until("the host runs the hub's version", runs("0.2.0"), 60_000);
      // What goes through the tunnel was not cut; and nobody being logged in, one gateway is left.
      expect(await far.ok(["pgrep", "-f", "^ssh .*-R"])).toBe(tunnel);
      await until(
        "the former gateway has gone",
        async () =>
          !(
            await far.sh("for p in $(pgrep -f ' ssh-gateway '); do readlink /proc/$p/exe; done")
          ).stdout.includes("0.1.0"),
        30_000,
      );
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
