/**
 * The image `system` on this very machine: a project runs on its programs, sees nothing else of it, and is told when
 * they change. That packages change is played by a copy of dpkg's status file, which the helper alone sees in its place.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../src/contract/project-client.ts";
import { execOk } from "../../src/core/exec.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";

const why = whyNoHelper() ?? (existsSync("/var/lib/dpkg/status") ? undefined : "needs a machine with dpkg");
/** An admin's own on this machine: one file for all, one for root, one in a directory of root's. */
const OWN = `/usr/local/etc/cocalc-test-${process.pid}`;

describe.skipIf(why !== undefined)(`the image system${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: HelperLab;
  let manager: ProjectManager;
  const id = randomUUID();
  const spec = () => lab.spec(id, { image: "system" });
  const sh = async (command: string) => {
    const { exit, stdout, stderr } = await runCommand(lab.router.server(`project.${id}.exec`), id, {
      argv: ["sh", "-c", command],
    });
    const text = new TextDecoder();
    return { code: exit.code, out: text.decode(stdout).trim(), err: text.decode(stderr).trim() };
  };
  const fingerprint = async () => (await lab.helper.call("image.system", { make: false })).digest ?? "";

  beforeAll(async () => {
    mkdirSync(join(OWN, "closed"), { recursive: true });
    for (const [name, mode] of [
      ["all", 0o644],
      ["root", 0o600],
      ["closed/all", 0o644],
    ] as const)
      writeFileSync(join(OWN, name), "SECRET", { mode });
    await execOk(["chmod", "0700", join(OWN, "closed")]);
    lab = await startHelperLab({ ownDpkgStatus: true });
    manager = await lab.manager();
    manager.start(spec());
    await lab.until(manager, id, "running", 120_000);
  }, 180_000);
  afterAll(async () => {
    rmSync(OWN, { recursive: true, force: true });
    await lab?.stop();
  }, 60_000);

  test("it has this machine's programs and packages, sudo and a home", async () => {
    const version = (await execOk(["python3", "--version"])).trim();
    expect((await sh("python3 --version")).out).toBe(version);
    const count = (await execOk(["sh", "-c", "dpkg-query -W | wc -l"])).trim();
    expect((await sh("dpkg-query -W | wc -l")).out).toBe(count);
    expect((await sh("sudo id -u; id -un; cd; pwd")).out.split("\n")).toEqual(["0", "user", "/home/user"]);
    expect((await sh("sudo dpkg --audit; getent hosts localhost")).code).toBe(0);
  });

  test("of the machine itself it sees nothing more, not even as root", async () => {
    for (const gone of [
      "/etc/ssh",
      "/etc/ssl/private",
      "/etc/machine-info",
      "/etc/fstab",
      "/etc/cron.d",
      "/etc/systemd",
      "/etc/profile.d",
      "/etc/environment",
      "/var/lib/containers",
      "/var/lib/systemd",
      "/boot/grub",
      `${OWN}/root`,
      `${OWN}/closed`,
    ])
      expect([gone, (await sh(`sudo test -e ${gone}`)).code]).toEqual([gone, 1]);
    expect((await sh(`cat ${OWN}/all`)).out).toBe("SECRET");
    const empty = await sh(
      "sudo ls -A /root /srv /mnt /media /opt /boot 2>/dev/null | grep -v ':$' | grep .",
    );
    expect(empty.out).toBe("cocalc");
    expect(
      (await sh("sudo ls -A /home /var/lib")).out.split("\n").filter((one) => !one.endsWith(":")),
    ).toEqual(["user", "", "apt", "dpkg", "misc"]);
    const shadow = (await sh("sudo cat /etc/shadow")).out.split("\n");
    expect(shadow.filter((line) => line.split(":")[1] !== "*")).toEqual([]);
    const ids = (await sh("cut -d: -f3 /etc/passwd /etc/group")).out.split("\n").map(Number);
    expect(ids.filter((one) => one > 999 && one !== 1000 && one !== 65534)).toEqual([]);
    expect((await sh("sudo grep -rE '://[^/ ]+@' /etc/apt /etc/pip.conf /etc/npmrc 2>/dev/null")).out).toBe(
      "",
    );
    // Nothing that only root of this machine may read has come along.
    const closed =
      "sudo find /usr -xdev '(' -type f ! -perm /o=rx -o -type d ! -perm -o=rx ')' ! -path '/usr/local/share/*' | head";
    expect((await sh(closed)).out).toBe("");
  }, 120_000);

  test("what it installs is its own: packaged, kept over a restart, never on the machine", async () => {
    const made =
      await sh(`cd && mkdir -p p/DEBIAN p/usr/bin && printf '#!/bin/sh\\necho mine\\n' >p/usr/bin/cocalc-mine &&
      chmod 755 p/usr/bin/cocalc-mine && printf 'Package: cocalc-mine\\nVersion: 1\\nArchitecture: all\\nMaintainer: me <a@b.c>\\nDescription: x\\n' >p/DEBIAN/control &&
      dpkg-deb --build p p.deb && sudo dpkg -i p.deb && sudo rm -r /usr/share/doc/bash`);
    expect([made.code, made.err]).toEqual([0, expect.any(String)]);
    await manager.stop(id);
    expect(await lab.leftovers()).toEqual([]);
    manager.start(spec());
    expect((await lab.until(manager, id, "running")).problem).toBeNull();
    expect((await sh("cocalc-mine; dpkg-query -W cocalc-mine; ls -d /usr/share/doc/bash")).out).toBe(
      "mine\ncocalc-mine\t1",
    );
    expect([existsSync("/usr/bin/cocalc-mine"), existsSync("/usr/share/doc/bash")]).toEqual([false, true]);
  }, 60_000);

  test("a change of the machine's packages is another fingerprint, and is told; what it installed stays", async () => {
    const before = await fingerprint();
    expect(manager.status(id)?.digest).toBe(before);
    const file = readFileSync(lab.dpkgStatus, "utf8");
    appendFileSync(
      lab.dpkgStatus,
      `${file.endsWith("\n\n") ? "" : "\n"}Package: cocalc-new\nStatus: install ok installed\nMaintainer: me <a@b.c>\nArchitecture: all\nVersion: 2\nDescription: x\n\n`,
    );
    const now = await fingerprint();
    expect(now).not.toBe(before);
    // Whatever the daemon believes: nothing is started on a skeleton of other programs.
    const stale = {
      project_id: randomUUID(),
      digest: before,
      token: "x".repeat(20),
      lan: "blocked",
    } as const;
    expect(
      await lab.helper
        .call("project.start", { ...stale, memory_bytes: 2 ** 28, cpus: 1, pids: 100 })
        .catch((error) => error.code),
    ).toBe("image.system-changed");
    await lab.helper.call("project.remove", { project_id: stale.project_id });
    await manager.stop(id);
    manager.start(spec());
    const status = await lab.until(manager, id, "running", 60_000);
    expect([status.digest, status.problem?.code]).toEqual([now, "project.system-changed"]);
    expect(status.problem?.why).toContain(before.slice(0, 12));
    expect((await sh("cocalc-mine")).out).toBe("mine");
    // Its own database has what it installed; the machine's news are in the skeleton below that.
    expect((await lab.helper.call("image.list", {})).digests).toContain(before);
    expect(await lab.helper.call("image.remove", { digest: now })).toEqual({ removed: false });
    expect(await lab.helper.call("image.remove", { digest: before })).toEqual({ removed: true });
    await manager.stop(id);
    manager.start(spec());
    expect((await lab.until(manager, id, "running")).problem).toBeNull();
  }, 90_000);
});
