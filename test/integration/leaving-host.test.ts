/**
 * The life of a host under systemd: the hub signs in to the machine over its own sshd; it is taken out with its data
 * kept, joined anew, refused to another hub, handed over to that with `--replace`, and taken out of it whole, back to the
 * files that it had. Three trees, no internet, and no projects, since those want cgroups that a tree may not have (what
 * becomes of projects: machines.test.ts, backup-places.test.ts). Minutes, so only with COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Host, JoinTokenCreated } from "../../src/contract/api.ts";
import type { LeavingPlan, Tombstone } from "../../src/contract/api-leaving.ts";
import { OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { until } from "../fixtures/running-hub.ts";
import { HUB_CLI, type Machine, makeTreeNetwork, type TreeNetwork } from "../fixtures/tree-network.ts";

const WHY =
  process.getuid?.() !== 0
    ? "needs root: namespaces"
    : process.env.COCALC_TEST_LONG !== "1"
      ? "takes minutes: COCALC_TEST_LONG=1"
      : undefined;
if (WHY !== undefined) console.error(`SKIPPED: a host's life under systemd: ${WHY}`);
const SLOW = 400_000;
const HOST_DIR = "/var/lib/cocalc-host/.local/share/cocalc/project-host";
const works = (host: Host) => host.state === "ready" || OF_THE_TREE.includes(host.problem?.code);

describe.skipIf(WHY !== undefined)("a host comes and goes, under systemd", () => {
  let network: TreeNetwork;
  let hub: Machine;
  let far: Machine;
  let other: Machine;
  let filesBefore = "";
  let farId = "";

  /** Every file outside what each boot makes anew, and logs. */
  const files = async () =>
    (
      await far.sh(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /dev -o -path /var/log -o -path /var/lib/systemd -o -path /root/.ssh -o -path '/etc/ssh/ssh_host_*' \\) -prune -o -print | sort",
      )
    ).stdout;
  const of = async (at: Machine, hostId: string) =>
    (await at.hub<Host[]>("host", "list")).find((one) => one.host_id === hostId);
  const ready = (at: Machine, hostId: string) =>
    until(
      "the host is ready",
      async () => {
        const host = await of(at, hostId);
        return host !== undefined && works(host) && host.tunnel.state === "up" && host;
      },
      90_000,
    );
  async function paste(from: Machine, ...options: string[]) {
    const { line } = await from.hub<JoinTokenCreated>("host", "token");
    return await far.exec(["sh", "-c", [line, ...options].join(" ")], { timeout: 150_000 });
  }
  const selfHost = async (at: Machine) =>
    (await at.hub<Host[]>("host", "list")).find((one) => one.type.kind === "self-host");
  const units = async () =>
    (await far.sh("systemctl list-unit-files 'cocalc*' --no-legend; pgrep -a cocalc; pgrep -af '^ssh .*-R'"))
      .stdout;

  beforeAll(async () => {
    network = await makeTreeNetwork({
      names: ["hub", "far", "other"],
      versions: ["0.1.0"],
      hubs: ["other"],
    });
    [hub, far, other] = network.machines as [Machine, Machine, Machine];
    await far.ok(["sh", "-c", "ssh-keygen -A >/dev/null && systemctl start ssh"]);
    filesBefore = await files();
    await hub.installHub("0.1.0");
  }, SLOW);
  afterAll(async () => {
    await network?.destroy();
  }, SLOW);

  test(
    "the hub signs in over the machine's sshd, and its units run there",
    async () => {
      const target = `root@${far.address}`;
      const line = await far.ok(["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]);
      const shown = line.split(" ")[1] ?? "";
      const add = (...more: string[]) =>
        hub.exec([HUB_CLI, "host", "add", target, ...more], { timeout: 200_000 });
      const unseen = await add();
      expect(unseen.code).toBe(64);
      expect(unseen.stderr).toContain(shown);
      const refused = await add("--fingerprint", shown);
      expect(refused.stderr).toContain("machine.login-refused");
      const key = /ssh-ed25519 \S+/.exec(refused.stderr)?.[0];
      await far.ok(["sh", "-c", `mkdir -pm700 /root/.ssh && echo '${key}' >>/root/.ssh/authorized_keys`]);
      const added = await add("--fingerprint", shown);
      expect([added.code, added.code === 0 ? "" : added.stderr]).toEqual([0, ""]);
      farId = added.stdout.trim();
      await ready(hub, farId);
      for (const unit of ["project-host", "connector", "helper"])
        expect(await far.ok(["systemctl", "is-active", `cocalc-${unit}`])).toBe("active\n");
      expect(await far.ok(["systemctl", "--failed", "--no-legend"])).toBe("");
    },
    SLOW,
  );

  test(
    "taken out with its data kept: its own log and tombstone, no unit and no process of ours",
    async () => {
      // As what a project leaves on its host.
      const mark = `${HOST_DIR}/storage/projects/mark`;
      await far.ok(["sh", "-c", `mkdir -p $(dirname ${mark}) && echo kept >${mark}`]);
      const plan = await hub.hub<LeavingPlan>("host", "deprovision", farId, "--dry-run");
      expect(plan.removes.join("\n")).toContain(HOST_DIR);
      expect(plan.removes.join("\n")).toContain("services, units, helper");
      await ready(hub, farId);

      const stone = await hub.hub<Tombstone>("host", "deprovision", farId, "--keep-data");
      expect(stone.log).toBe(`/var/log/cocalc/left-${farId}.log`);
      const log = `/var/log/cocalc/left-${farId}`;
      await until("its tombstone is written", async () => existsSync(join(far.root, `${log}.json`)), 120_000);
      expect(await far.ok(["cat", `${log}.log`])).toContain("keeping data");
      await until("nothing of ours runs", async () => (await units()) === "", 30_000);
      expect(await far.ok(["cat", mark])).toBe("kept\n");
      expect((await far.sh(`ls ${HOST_DIR}/host.json`)).code).not.toBe(0);
      expect(await of(hub, farId)).toBeUndefined();
      expect((await hub.exec([HUB_CLI, "host", "gone"])).stdout).toContain("far");
    },
    SLOW,
  );

  test(
    "joined anew; another hub is refused it, and takes it with --replace: what it held stays, stopped",
    async () => {
      expect((await paste(hub)).code).toBe(0);
      farId = (await until("it is listed", async () => selfHost(hub), 30_000)).host_id;
      await ready(hub, farId);
      await other.installHub("0.1.0");
      const refused = await paste(other);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain("join.other-hub");
      expect(refused.stderr).toContain("give --replace");
      expect(refused.stderr).toContain("nothing was changed");
      // Nothing changed for its own hub.
      await ready(hub, farId);
      expect(await selfHost(other)).toBeUndefined();

      const taken = await paste(other, "--replace");
      expect([taken.code, taken.code === 0 ? "" : taken.stderr]).toEqual([0, ""]);
      const there = await until("the other hub has it", async () => selfHost(other), 30_000);
      await ready(other, there.host_id);
      await until(
        "the former hub misses it",
        async () => (await of(hub, farId))?.state === "offline",
        90_000,
      );
      expect((await far.ok(["ls", HOST_DIR])).split("\n")).toContainEqual(
        expect.stringMatching(/^host\.json\.of-/) as never,
      );
      farId = there.host_id;
    },
    SLOW,
  );

  test(
    "taken out whole: the machine has the files it had",
    async () => {
      const left = await other.exec([HUB_CLI, "host", "deprovision", farId, "--without-backups"], {
        timeout: 200_000,
      });
      expect([left.code, left.code === 0 ? "" : left.stderr]).toEqual([0, ""]);
      await until(
        "its tombstone is written",
        async () => existsSync(join(far.root, `/var/log/cocalc/left-${farId}.json`)),
        120_000,
      );
      await until("nothing of ours runs", async () => (await units()) === "", 30_000);
      expect(await files()).toBe(filesBefore);
      expect((await far.sh("id cocalc-host")).code).not.toBe(0);
    },
    SLOW,
  );
});
