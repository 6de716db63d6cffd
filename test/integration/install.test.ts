/**
 * install.sh on a clean Debian 13 tree under systemd: units, hardening, restarts, reboot, upgrade, rollback, a killed
 * run, uninstall back to the original files. Real systemd, real builds of two versions; no kernel of its own.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/contract/api.ts";
import { type BootedTree, makeTree, OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import { until } from "../fixtures/running-hub.ts";

const up = (host: Host) => host.state === "ready" || OF_THE_TREE.includes(host.problem?.code);
const ROOT = process.getuid?.() === 0;
const SLOW = 240_000;
/** A tree of packages from a slow mirror, where none was made yet. */
const TREE = 900_000;
const HUB_BIN = "/var/lib/cocalc/.local/share/cocalc/bin";
const LONG_RUNNING = ["hub", "sshd", "project-host", "connector", "helper"] as const;
/** Served in the tree, by openssl: what a release's web address is elsewhere. */
const PUBLISHED = "https://localhost:8443";
/** What `systemd-analyze security` may say at most; each exception is explained in the unit. */
const EXPOSURE = { hub: 2, sshd: 3, "project-host": 2, connector: 2, "local-host": 3 } as const;

describe.skipIf(!ROOT)("install, upgrade, uninstall (needs root: namespaces)", () => {
  let tree: BootedTree;
  let releases: Releases;
  let filesBefore = "";

  /** Every file outside what is made anew at each boot, and logs. */
  const files = async () =>
    (
      await tree.sh(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path */launchpad/images -o -path */launchpad/run -o -path */project-host/run -o -path /dev -o -path /var/log -o -path /var/lib/systemd -o -path /releases \\) -prune -o -print | sort",
      )
    ).stdout;
  const install = (version: string, ...options: string[]) =>
    tree.exec(["sh", `/releases/${version}/install.sh`, "--offline", `/releases/${version}`, ...options], {
      timeout: 150_000,
    });
  const pids = async () =>
    Object.fromEntries(
      await Promise.all(
        LONG_RUNNING.map(async (name) => [
          name,
          (await tree.ok(["systemctl", "show", "-p", "MainPID", "--value", `cocalc-${name}`])).trim(),
        ]),
      ),
    ) as Record<string, string>;
  const hub = async (...args: string[]) => await tree.exec([`${HUB_BIN}/current/cocalc-hub`, ...args]);
  const hosts = async () => JSON.parse((await hub("host", "list", "--json")).stdout) as Host[];
  const ready = async () => {
    const [host] = await hosts();
    return host !== undefined && up(host) && host;
  };
  const runs = async (version: string) => {
    for (const program of ["cocalc-hub", "cocalc-project-host"])
      expect(await tree.ok([`${HUB_BIN}/current/${program}`, "--version"])).toStartWith(version);
    for (const [name, pid] of Object.entries(await pids())) {
      expect(`${name} ${await tree.ok(["readlink", `/proc/${pid}/exe`])}`).toContain(`/${version}/`);
    }
  };
  const place = (version: string) => {
    cpSync(join(releases.dir, `cocalc-launchpad-${version}`), join(tree.root, "releases", version), {
      recursive: true,
    });
  };

  beforeAll(async () => {
    releases = await makeReleases(PUBLISHED);
    for (const version of ["0.1.0", "0.2.0"]) await releases.make(version);
    await releases.breakProgram("0.2.0", "0.3.0", "cocalc-hub");
    tree = await makeTree({
      async prepare(root) {
        // A pool would take the disk of the machine that tests: storage has tests of its own.
        const dir = join(root, "etc/systemd/system/cocalc-storage.service.d");
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, "test.conf"), "[Unit]\nConditionPathExists=/nowhere\n");
      },
    });
    for (const version of ["0.1.0", "0.2.0", "0.3.0"]) place(version);
    await tree.boot();
    filesBefore = await files();
  }, TREE);

  afterAll(async () => {
    await tree?.destroy();
    releases?.remove();
  }, SLOW);

  test(
    "killed at every step, the next run goes on, and the last one finishes",
    async () => {
      for (const at of ["[users]", "[files]", "[units]", "[start]"]) {
        const killed = Bun.spawn(
          [...tree.inside(), "sh", "/releases/0.1.0/install.sh", "--offline", "/releases/0.1.0"],
          { stdin: "ignore", stdout: "ignore", stderr: "pipe", cwd: "/" },
        );
        let said = "";
        for await (const chunk of killed.stderr) {
          said += new TextDecoder().decode(chunk);
          if (!said.includes(at)) continue;
          // A moment into the step, with whatever it started.
          await Bun.sleep(30);
          await tree.sh("pkill -9 -f '^sh /releases/'");
          break;
        }
        expect(said).toContain(at);
        await killed.exited;
      }
      const done = await install("0.1.0");
      expect(done.stderr).toContain("signature and list of files hold");
      expect(done.stderr).toContain("all services run 0.1.0 and are ready");
      expect(done.stderr).toMatch(/http:\/\/localhost:9203\/setup#token=\S+\n/);
      expect(done.code).toBe(0);
      await until("its own project host is ready", ready, 60_000);
      await runs("0.1.0");
    },
    SLOW,
  );

  test(
    "a second run changes and restarts nothing; --check and --dry-run too",
    async () => {
      // Made at the hub's first round of backups, whenever that comes.
      const jail = "/var/lib/cocalc/.local/share/cocalc/launchpad/ssh/jail-passwd";
      await until(
        "the jail of backups was made",
        async () => (await tree.sh(`ls ${jail}`)).code === 0,
        60_000,
      );
      const before = [await pids(), await files()];
      expect((await install("0.1.0")).code).toBe(0);
      expect((await install("0.1.0", "--check")).code).toBe(0);
      const dry = await install("0.2.0", "--dry-run");
      expect(dry.stderr).toContain("nothing was changed");
      expect([await pids(), await files()]).toEqual(before);
    },
    SLOW,
  );

  test("services say how they are, run as users of their own, and are hardened", async () => {
    const said = async () => (await tree.sh("systemctl status 'cocalc-*' --no-pager -n 0")).stdout;
    const status = await until(
      "the hub says what is linked",
      async () => {
        const text = await said();
        return text.includes('Status: "serving HTTPS on port 9200; 1 of 1 hosts linked"') && text;
      },
      30_000,
    );
    expect(status).toContain('Status: "hub and host are one machine: no tunnel"');
    expect(status).toContain('Status: "answers the project host"');
    await tree.ok(["systemctl", "start", "cocalc-backup.service"], { timeout: 60_000 });
    const failed = await tree.ok(["systemctl", "--failed", "--no-legend"]);
    expect(failed).toBe("");
    expect(await tree.ok(["systemd-analyze", "verify", "--man=no", "cocalc.target"])).toBe("");
    for (const [name, most] of Object.entries(EXPOSURE)) {
      const said = (await tree.sh(`systemd-analyze security --no-pager cocalc-${name} | tail -n 1`)).stdout;
      const exposure = Number(/: ([\d.]+) /.exec(said)?.[1]);
      console.log(`exposure of cocalc-${name}: ${exposure}`);
      expect(exposure).toBeLessThanOrEqual(most);
    }
    for (const [name, user] of Object.entries({ hub: "cocalc", sshd: "cocalc", connector: "cocalc-host" })) {
      const pid = (await pids())[name];
      expect((await tree.sh(`ps -o user:20= -p ${pid}`)).stdout.trim()).toBe(user);
    }
    // Neither user can put another program in the place of what systemd starts.
    for (const user of ["cocalc", "cocalc-host"]) {
      const tried = await tree.sh(
        `setpriv --reuid=${user} --regid=${user} --clear-groups sh -c 'for d in ${HUB_BIN} ${HUB_BIN}/current/ /usr/local/lib/cocalc ~${user} ~${user}/.local/share/cocalc; do [ -w $d ] && echo $d; done; true'`,
      );
      expect(tried.stdout).toBe("");
    }
  });

  test(
    "a restart of one touches no other; a hung hub is started anew",
    async () => {
      await hub("host", "token");
      await until(
        "sshd listens",
        async () =>
          (await tree.sh("exec 3<>/dev/tcp/127.0.0.1/9201")).code === 0 || (await bash()).code === 0,
        20_000,
      );
      async function bash() {
        return await tree.exec(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9201 && head -c 4 <&3"]);
      }
      const session = Bun.spawn(
        [...tree.inside(), "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9201; head -c 8 <&3; cat <&3; echo cut"],
        { stdin: "ignore", stdout: "pipe", stderr: "ignore", cwd: "/" },
      );
      const reader = session.stdout.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toStartWith("SSH-2.0-");
      for (const name of LONG_RUNNING) {
        const before = await pids();
        await tree.ok(["systemctl", "restart", `cocalc-${name}`], { timeout: 60_000 });
        const after = await pids();
        for (const other of LONG_RUNNING) {
          if (other === name) expect(after[other]).not.toBe(before[other]);
          else expect(`${other} ${after[other]}`).toBe(`${other} ${before[other]}`);
        }
      }
      // The session that was open before sshd's restart still is.
      expect(session.exitCode).toBeNull();
      session.kill();
      await until("the host is ready again", ready, 60_000);
      await tree.sh(
        "mkdir -p /run/systemd/system/cocalc-hub.service.d; printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/cocalc-hub.service.d/t.conf; systemctl daemon-reload; systemctl restart cocalc-hub",
      );
      const hung = (await pids()).hub;
      await tree.sh(`kill -STOP ${hung}`);
      await until(
        "the watchdog starts it anew",
        async () => {
          const now = (await pids()).hub;
          return now !== hung && now !== "0" && (await hosts()).length === 1;
        },
        40_000,
      );
      await tree.sh("rm -r /run/systemd/system/cocalc-hub.service.d; systemctl daemon-reload");
    },
    SLOW,
  );

  test(
    "a reboot, and a cut of the power: everything comes back by itself",
    async () => {
      const before = await hosts();
      for (const end of [tree.powerOff, tree.cut]) {
        await end();
        await tree.boot();
        await until("the host is ready", ready, 60_000);
        expect((await hosts())[0]?.host_id).toBe(before[0]?.host_id);
        expect(await tree.ok(["systemctl", "--failed", "--no-legend"])).toBe("");
      }
    },
    SLOW,
  );

  test(
    "upgrade, a bad upgrade that rolls itself back, and back by hand",
    async () => {
      const host = (await hosts())[0]?.host_id;
      const up = await tree.exec([`${HUB_BIN}/current/cocalc-hub`, "upgrade", "--from", "/releases/0.2.0"], {
        timeout: 150_000,
      });
      expect(up.stderr).toContain("all services run 0.2.0 and are ready");
      await runs("0.2.0");
      const bad = await install("0.3.0");
      expect(bad.code).toBe(75);
      expect(bad.stderr).toContain("a bad build");
      expect(bad.stderr).toContain("the upgrade to 0.3.0 was rolled back; 0.2.0 runs again");
      await runs("0.2.0");
      const back = await tree.exec([`${HUB_BIN}/current/cocalc-hub`, "upgrade", "--rollback"], {
        timeout: 100_000,
      });
      expect(back.stderr).toContain("0.1.0 runs again");
      await runs("0.1.0");
      await until("the host is ready", ready, 60_000);
      expect((await hosts())[0]?.host_id).toBe(host ?? "");
      // The same as an admin's click on the page: from the release's own address, which here is a server in the tree.
      await tree.ok(
        [
          "sh",
          "-c",
          `cd /releases && ln -sfn 0.2.0 latest &&
           openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout /run/k.pem -out /run/c.pem 2>/dev/null &&
           cp /etc/ssl/certs/ca-certificates.crt /run/ca.before && cat /run/c.pem >>/etc/ssl/certs/ca-certificates.crt &&
           systemd-run --quiet --unit=published --working-directory=/releases openssl s_server -accept 127.0.0.1:8443 -cert /run/c.pem -key /run/k.pem -WWW &&
           for n in $(seq 100); do curl -fsS -o /dev/null https://localhost:8443/latest/VERSION && break; sleep 0.2; done`,
        ],
        { timeout: 60_000 },
      );
      const name = (await hosts())[0]?.name ?? "";
      const asked = await tree.exec([`${HUB_BIN}/current/cocalc-hub`, "host", "upgrade", name], {
        timeout: 200_000,
      });
      expect(`${asked.stdout}${asked.stderr}`).toContain("upgrade to the latest release: done, 0.2.0 runs");
      await runs("0.2.0");
      const undone = await tree.exec([`${HUB_BIN}/current/cocalc-hub`, "host", "rollback", name], {
        timeout: 200_000,
      });
      expect(`${undone.stdout}${undone.stderr}`).toContain("done, 0.1.0 runs");
      await runs("0.1.0");
      await tree.sh(
        "systemctl stop published; cp /run/ca.before /etc/ssl/certs/ca-certificates.crt; rm /releases/latest",
      );
      // A release that another key signed, or that was changed, is not installed.
      await tree.sh(
        "echo x >>/releases/0.2.0/sbom.cdx.json; cd /releases/0.2.0; sha256sum sbom.cdx.json VERSION >SHA256SUMS",
      );
      const forged = await install("0.2.0");
      expect(forged.code).toBe(65);
      expect(forged.stderr).toContain("the signature does not hold");
      await runs("0.1.0");
    },
    SLOW,
  );

  test(
    "uninstall keeps the data; with --purge the machine has the files it had",
    async () => {
      const uninstall = "/releases/0.1.0/install.sh";
      const first = await tree.exec(["sh", uninstall, "--uninstall"], { timeout: 100_000 });
      expect(first.stderr).toContain("kept: /var/lib/cocalc/.local/share/cocalc/launchpad");
      expect(first.code).toBe(0);
      expect((await tree.exec(["pgrep", "-a", "cocalc"])).stdout).toBe("");
      expect((await tree.sh("ls /var/lib/cocalc/.local/share/cocalc/launchpad/hub.sqlite")).code).toBe(0);
      // Installed again it takes its data up; then all of it goes.
      expect((await install("0.1.0")).code).toBe(0);
      expect((await hosts()).length).toBe(1);
      const second = await tree.exec(["sh", uninstall, "--uninstall", "--purge"], { timeout: 100_000 });
      expect(second.code).toBe(0);
      expect((await tree.sh("id cocalc; id cocalc-host; pgrep -a cocalc")).stdout).toBe("");
      expect(await files()).toBe(filesBefore);
    },
    SLOW,
  );

  test(
    "as a person who has an account there: the hub is theirs, the next run remembers it, and purging leaves their home",
    async () => {
      await tree.ok(["useradd", "--create-home", "ada"]);
      await tree.sh("echo mine >/home/ada/notes && chown ada: /home/ada/notes");
      const before = await files();
      const nobody = await install("0.1.0", "--user", "nobody-there");
      expect(nobody.code).not.toBe(0);
      expect(nobody.stderr).toContain("adduser nobody-there");
      expect(await files()).toBe(before);

      const done = await install("0.1.0", "--user", "ada");
      expect({ code: done.code, said: done.code === 0 ? "" : done.stderr }).toEqual({ code: 0, said: "" });
      const data = "/home/ada/.local/share/cocalc";
      const pid = (await pids()).hub ?? "";
      expect(await tree.ok(["ps", "-o", "user=,args=", "-p", pid])).toMatch(/^ada .*cocalc-hub serve/);
      const list = `runuser -u ada -- ${data}/bin/current/cocalc-hub host list --json`;
      await until(
        "its own project host is ready",
        async () => (JSON.parse((await tree.sh(list)).stdout) as Host[]).some(up),
        60_000,
      );
      // Whoever has that account decides what the hub does, not what systemd starts.
      expect(await tree.ok(["stat", "-c", "%U", `${data}/bin`, `${data}/launchpad`])).toBe("root\nada\n");
      expect((await install("0.1.0")).code).toBe(0);
      expect((await pids()).hub).toBe(pid);

      const gone = await tree.exec(["sh", "/releases/0.1.0/install.sh", "--uninstall", "--purge"], {
        timeout: 100_000,
      });
      expect(gone.code).toBe(0);
      expect(await tree.ok(["cat", "/home/ada/notes"])).toBe("mine\n");
      expect((await tree.sh("id -un ada; pgrep -a cocalc")).stdout).toBe("ada\n");
      expect(await files()).toBe(before);
    },
    SLOW,
  );
});
