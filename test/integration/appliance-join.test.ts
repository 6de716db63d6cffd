/**
 * Two appliances on a network of their own, under QEMU: the second gets the first's token as its seed and is its host
 * from then on, also after the hub rebooted. Only with COCALC_TEST_LONG=1.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Host } from "../../src/contract/api.ts";
import type { ApiClient } from "../../src/contract/client.ts";
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

describe.skipIf(whyNotLong !== undefined)(`an appliance joins another (${whyNotLong ?? "long"})`, () => {
  const lab = appliances();
  let first: Vm;
  let hub: ApiClient;
  let id: string;
  const seed = (...lines: string[]) => ({
    "meta-data": "instance-id: one\n",
    "cocalc.yaml": `${lines.join("\n")}\n`,
  });
  const far = async (): Promise<Host | undefined> =>
    (await hub.hosts.list()).find((one) => one.type.kind === "self-host");
  const up = async (since = 0) => {
    const host = await far();
    return (
      host?.state === "ready" &&
      host.tunnel.state === "up" &&
      Date.parse(host.tunnel.last_echo_at ?? "") > since &&
      host
    );
  };

  beforeAll(async () => {
    first = await lab.make({
      memoryMb: 2048,
      lan: { here: lab.port + 2, there: lab.port + 4, mac: "52:54:00:c0:ca:01" },
      // The second card; the first goes on with DHCP.
      seed: seed("hostname: hub", "address: 10.77.0.1/24", "interface: enp0s4"),
    });
  });

  test(
    "a token that cannot be read is told on the console, once; nothing else fails for it",
    async () => {
      const alone = await lab.make({
        memoryMb: 2048,
        ports: { 22: lab.port + 5 },
        seed: seed("hostname: alone", "join_token: lpj_cut.short"),
      });
      await alone.powerOn();
      await alone.says(/! cocalc-join\.service is failed/, BOOT_MS);
      const failures = await lab.until(
        "root's shell",
        () => alone.ok("journalctl -b --no-pager -q -o cat | grep 'Failed to start'"),
        BOOT_MS,
      );
      expect(failures).toMatch(/^Failed to start cocalc-join\.service.*\n$/);
      expect(await alone.ok("journalctl -b --no-pager -q -u cocalc-join")).toContain("join.token-unreadable");
      await alone.cut();
    },
    2 * BOOT_MS,
  );

  test(
    "the token of the first as the second's seed: it is a host by itself, and a project runs on it",
    async () => {
      await first.powerOn();
      const token = await setupToken(first);
      hub = await lab.until("root's shell", async () => await browserOf(first, lab.port), BOOT_MS);
      expect(await first.ok("ip -br addr")).toContain("10.77.0.1/24");
      await lab.setUp(hub, token);
      const { token: join } = await hub.joinTokens.create();
      const second = await lab.make({
        memoryMb: 2048,
        ports: { 22: lab.port + 3 },
        lan: { here: lab.port + 4, there: lab.port + 2, mac: "52:54:00:c0:ca:02" },
        seed: seed("hostname: far", "address: 10.77.0.2/24", "interface: enp0s4", `join_token: ${join}`),
      });
      await second.powerOn();
      await lab.until("it joined, and its tunnel is up", up, 2 * BOOT_MS);
      console.log(`power-on of the second to its tunnel up: ${second.seconds()} s`);
      await second.says(/a project host of/, SLOW);
      expect(
        await second.ok(
          "systemctl --failed --no-legend --plain; systemctl list-units 'cocalc-hub*' --plain --no-legend",
        ),
      ).toBe("");
      const host = await far();
      id = (await hub.projects.create({ name: "far", host_id: host?.host_id ?? "" })).project_id;
      await hub.projects.start(id);
      await lab.running(hub, id);
      expect(await first.ok(inProject(id, "echo $((6 * 7))"))).toBe("42\n");
    },
    4 * BOOT_MS,
  );

  test(
    "SSH into the project by the hub's end of the tunnel",
    async () => {
      await first.ok("ssh-keygen -q -t ed25519 -N '' -f /root/mine");
      await hub.ssh.addKey({ key: (await first.ok("cat /root/mine.pub")).trim() });
      const { user, gateway } = await hub.ssh.project(id);
      const login = `ssh -o StrictHostKeyChecking=no -o BatchMode=yes -i /root/mine -p ${gateway?.port} ${user}@127.0.0.1 hostname`;
      await lab.until("a login", () => first.ok(login), SLOW);
    },
    SLOW * 2,
  );

  test(
    "the hub loses its power: when it is back, so is the tunnel, by itself, and the project never stopped",
    async () => {
      const began = await first.ok(inProject(id, "echo here >/tmp/mark && cat /tmp/mark"));
      expect(began).toBe("here\n");
      await first.cut();
      const off = Date.now();
      await first.powerOn();
      await lab.until("the hub answers", () => signIn(hub), BOOT_MS);
      await lab.until("an echo after the reboot", () => up(off), BOOT_MS);
      console.log(`power-on of the hub to the tunnel up again: ${first.seconds()} s`);
      expect(await lab.until("the shell", () => first.ok(inProject(id, "cat /tmp/mark")), BOOT_MS)).toBe(
        "here\n",
      );
    },
    3 * BOOT_MS,
  );
});
