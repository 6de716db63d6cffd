/**
 * The timers of an installed machine fire and do their work, under real systemd: backups that are due begin, snapshots
 * are taken while the project host is down, a scrub is looked for and works, and so is whether to prune and
 * read back. (Sweeps and drills have no timers: the hub does them in its own rounds.)
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import type { Backup } from "../../src/contract/api-backups.ts";
import type { Snapshot } from "../../src/contract/storage.ts";
import { placeBaseImage } from "../fixtures/base-image.ts";
import { type BootedTree, makeTree, OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import { until } from "../fixtures/running-hub.ts";
import { RUSTIC, whyNoBackups } from "../fixtures/rustic.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const SLOW = 600_000;

const LONG = process.env.COCALC_TEST_LONG === "1" ? undefined : "only with COCALC_TEST_LONG=1";
const WHY = whyNoBackups() ?? whyNoPool() ?? LONG;
if (WHY !== undefined) console.error(`SKIPPED: timers of an installed machine: ${WHY}`);

const HUB = "/var/lib/cocalc/.local/share/cocalc";
const STORAGE = "/var/lib/cocalc-host/.local/share/cocalc/project-host/storage";
const TIMERS = ["cocalc-backup", "cocalc-prune", "cocalc-verify", "cocalc-snapshot", "cocalc-scrub"] as const;

describe.skipIf(WHY !== undefined)("timers of an installed machine", () => {
  let tree: BootedTree;
  let releases: Releases;
  let project: Project;
  const home = () => `${STORAGE}/pool/projects/${project.project_id}/data/home`;
  const hub = async <T>(...args: string[]): Promise<T> =>
    JSON.parse(await tree.ok([`${HUB}/bin/current/cocalc-hub`, ...args, "--json"], { timeout: 60_000 })) as T;
  /** What a service's runs said since the test began. */
  const said = async (unit: string) =>
    (await tree.ok(["journalctl", "-u", `${unit}.service`, "-o", "cat", "--no-pager"])).split("\n");
  const write = (name: string) =>
    tree.ok(["sh", "-c", `date +%s%N >"$0/${name}" && chown --reference="$0" "$0/${name}"`, home()]);

  beforeAll(async () => {
    releases = await makeReleases();
    const release = await releases.make("0.1.0");
    tree = await makeTree({
      async prepare(root) {
        cpSync(release, join(root, "releases/0.1.0"), { recursive: true });
        cpSync(RUSTIC, join(root, "usr/local/bin/rustic"));
      },
    });
    await tree.boot();
    // A disk of its own, so that there is room for a pool whatever this machine's has; what is not written takes none.
    await tree.ok([
      "sh",
      "-c",
      "truncate -s 40G /disk && mkfs.ext4 -q /disk && mkdir -p /var/lib/cocalc-host && mount -o loop /disk /var/lib/cocalc-host",
    ]);
    const installed = await tree.exec(["sh", "/releases/0.1.0/install.sh", "--offline", "/releases/0.1.0"], {
      timeout: 150_000,
    });
    expect(installed.stderr).toContain("all services run 0.1.0 and are ready");
    await tree.ok(["chown", "cocalc-host:", "/var/lib/cocalc-host"]);
    const images = join(tree.root, HUB, "launchpad/images");
    mkdirSync(images, { recursive: true });
    await placeBaseImage(images);
    await tree.ok(["chown", "-R", "cocalc:", `${HUB}/launchpad/images`]);
    writeFileSync(join(tree.root, "run-password"), "correct horse battery\n");
    await hub("setup", "--email", "ada@example.com", "--name", "Ada", "--password-file", "/run-password");
    const host = await until(
      "its own host is well",
      async () => {
        const [host] = await hub<Host[]>("host", "list");
        const well = host?.state === "ready" || OF_THE_TREE.includes(host?.problem?.code);
        return well && host;
      },
      90_000,
    );
    await hub("settings", "set", "backup_every_minutes", "0");
    const made = await hub<Project>("project", "create", "--name", "timed", "--host", host.host_id);
    // Where this machine's cgroups are of version 1 the container of a tree does not start: its files are there all the same.
    await tree.exec([`${HUB}/bin/current/cocalc-hub`, "project", "start", made.project_id], {
      timeout: 120_000,
    });
    project = await hub<Project>("project", "show", made.project_id);
    await write("first");
  }, SLOW);
  afterAll(async () => {
    await tree?.destroy();
    releases?.remove();
  }, SLOW);

  test(
    "each is enabled and has its next time",
    async () => {
      const listed = JSON.parse(
        await tree.ok(["systemctl", "list-timers", "--all", "--output=json", "cocalc-*"]),
      ) as { unit: string; next: number | null; activates: string }[];
      expect(listed.map((one) => one.unit).sort()).toEqual(TIMERS.map((name) => `${name}.timer`).sort());
      for (const one of listed) expect([one.unit, (one.next ?? 0) > 0]).toEqual([one.unit, true]);
    },
    SLOW,
  );

  test(
    "they fire: what is due is begun and proven, what changed has a snapshot though the project host is down",
    async () => {
      for (const name of TIMERS) {
        const dir = join(tree.root, `etc/systemd/system/${name}.timer.d`);
        mkdirSync(dir, { recursive: true });
        writeFileSync(
          join(dir, "test.conf"),
          "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/5\nRandomizedDelaySec=0\nAccuracySec=100ms\n",
        );
      }
      await tree.ok(["systemctl", "daemon-reload"]);
      await tree.ok(["systemctl", "restart", ...TIMERS.map((name) => `${name}.timer`)]);
      await hub("settings", "set", "backup_every_minutes", "1");
      await until(
        "the timer began one",
        async () => (await said("cocalc-backup")).includes("1 started"),
        150_000,
      );
      await until(
        "it is proven",
        async () => {
          const [newest] = await hub<Backup[]>("backup", "list", project.project_id);
          if (newest?.state === "failed") throw new Error(JSON.stringify(newest.problem));
          return newest?.state === "proven" && newest.reason === "schedule";
        },
        90_000,
      );
      const taken = async () =>
        (await said("cocalc-snapshot")).filter((line) => line.includes(": 1 snapshots taken")).length;
      const scheduled = async () => {
        const { snapshots } = await hub<{ snapshots: Snapshot[] }>("snapshot", "list", project.project_id);
        return snapshots.filter((one) => one.kind === "schedule");
      };
      await until("there is a first one", async () => (await scheduled()).length > 0, 60_000);
      const before = await taken();
      // Else the next is a quarter of an hour away.
      for (const { name } of await scheduled()) await hub("snapshot", "remove", project.project_id, name);
      await tree.ok(["systemctl", "stop", "cocalc-project-host.service"], { timeout: 60_000 });
      await write("while it was down");
      await tree.ok(["sync", "-f", home()]);
      await until("the timer took one", async () => (await taken()) > before, 90_000);
      await until(
        "every service came to a good end",
        async () => {
          for (const name of TIMERS) {
            const shown = await tree.ok(["systemctl", "show", `${name}.service`, "-p", "Result", "--value"]);
            if (shown.trim() !== "success")
              throw new Error(`${name}: ${(await said(name)).slice(-5).join("\n")}`);
            const last = await tree.ok([
              "systemctl",
              "show",
              `${name}.timer`,
              "-p",
              "LastTriggerUSec",
              "--value",
            ]);
            if (last.trim() === "" || last.trim() === "n/a") return false;
          }
          return true;
        },
        60_000,
      );
      expect(await tree.ok(["systemctl", "--failed", "--no-legend"])).toBe("");

      // None is due on a machine of today; in its service, with all that is closed to it, it works.
      const scrub = "/usr/local/lib/cocalc/current/cocalc-project-host storage scrub";
      const drop = join(tree.root, "etc/systemd/system/cocalc-scrub.service.d");
      mkdirSync(drop, { recursive: true });
      writeFileSync(
        join(drop, "test.conf"),
        `[Service]\nExecStart=\nExecStart=${scrub} --data-dir ${dirname(dirname(STORAGE))}\n`,
      );
      await tree.ok(["systemctl", "stop", "cocalc-scrub.timer"]);
      await tree.ok(["systemctl", "daemon-reload"]);
      await tree.ok(["systemctl", "start", "cocalc-scrub.service"], { timeout: 90_000 });
      expect((await said("cocalc-scrub")).join("\n")).toContain("all blocks are as they were written");
    },
    SLOW,
  );
});
