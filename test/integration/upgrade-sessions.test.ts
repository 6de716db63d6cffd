/**
 * A hub and its own host are upgraded by the installer under a real systemd, while a terminal, an SSH session and an
 * upload are open from outside; then a bad version is taken back. All three go on each time. The machine is a booted
 * tree; crun there takes limits out of what it starts, since a tree may have no controllers. (With limits, and a kernel
 * of its own: appliance-upgrade.test.ts.)
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import { browserAt } from "../fixtures/appliance.ts";
import { placeBaseImage } from "../fixtures/base-image.ts";
import { type BootedTree, makeTree, OF_THE_TREE } from "../fixtures/booted-tree.ts";
import { beginUpload, openSsh, openTerminal, type Place } from "../fixtures/open-sessions.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import { freeBasePort, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 400_000;
const WAIT = 120_000;
const PASSWORD = "correct horse battery";
const STATE = "/var/lib/cocalc/.local/share/cocalc";
const CRUN = resolve(import.meta.dir, "../fixtures/crun-without-limits.sh");

describe.skipIf(!ROOT)("an upgrade under systemd with people at work (needs root: namespaces)", () => {
  let tree: BootedTree;
  let releases: Releases;
  let place: Place;
  let terminal: Awaited<ReturnType<typeof openTerminal>>;
  let shell: string | undefined;
  let ssh: Awaited<ReturnType<typeof openSsh>>;
  let login: string;
  let upload: ReturnType<typeof beginUpload>;
  const port = freeBasePort();
  const install = (version: string, ...more: string[]) =>
    tree.exec(["sh", `/releases/${version}/install.sh`, "--offline", `/releases/${version}`, ...more], {
      timeout: 200_000,
    });
  const cli = async (...args: string[]) =>
    await tree.ok([`${STATE}/bin/current/cocalc-hub`, ...args], { timeout: 120_000 });
  /** When the container's first process began, in ticks of the machine. */
  const container = () =>
    cli("project", "exec", place.project_id, "--", "sh", "-c", "cut -d' ' -f22 /proc/1/stat");
  let began: string;

  beforeAll(async () => {
    releases = await makeReleases();
    for (const version of ["9.1.0", "9.2.0"]) await releases.make(version);
    await releases.breakProgram("9.2.0", "9.3.0", "cocalc-hub");
    tree = await makeTree({
      machineNetwork: true,
      async prepare(root) {
        for (const version of ["9.1.0", "9.2.0", "9.3.0"])
          cpSync(join(releases.dir, `cocalc-launchpad-${version}`), join(root, "releases", version), {
            recursive: true,
          });
        // A pool would take the disk of the machine that tests.
        const dir = join(root, "etc/systemd/system/cocalc-storage.service.d");
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, "test.conf"), "[Unit]\nConditionPathExists=/nowhere\n");
        renameSync(join(root, "usr/bin/crun"), join(root, "usr/bin/crun.real"));
        cpSync(CRUN, join(root, "usr/bin/crun"));
        writeFileSync(join(root, "run-password"), `${PASSWORD}\n`);
      },
    });
    await tree.boot();
    // A project's root cannot lie on an overlay, which the tree's is.
    await tree.ok([
      "sh",
      "-c",
      "truncate -s 40G /disk && mkfs.ext4 -q /disk && mkdir -p /var/lib/cocalc-host && mount -o loop /disk /var/lib/cocalc-host",
    ]);
    const done = await install("9.1.0", "--base-port", String(port));
    expect(done.stderr).toContain("all services run 9.1.0 and are ready");
    await tree.ok(["chown", "cocalc-host:", "/var/lib/cocalc-host"]);
    const images = join(tree.root, STATE, "launchpad/images");
    mkdirSync(images, { recursive: true });
    await placeBaseImage(images);
    await tree.ok(["chown", "-R", "cocalc:", `${STATE}/launchpad/images`]);
  }, SLOW);
  afterAll(async () => {
    terminal?.close();
    await ssh?.close();
    await tree?.destroy();
    releases?.remove();
  }, SLOW);

  test(
    "a project runs; a terminal, an SSH session and an upload are open",
    async () => {
      await cli("setup", "--email", "ada@example.com", "--name", "Ada", "--password-file", "/run-password");
      const host = await until(
        "its own host is well",
        async () => {
          const [host] = JSON.parse(await cli("host", "list", "--json")) as Host[];
          return host && (host.state === "ready" || OF_THE_TREE.includes(host.problem?.code)) && host;
        },
        WAIT,
      );
      const made = ["project", "create", "--name", "thesis", "--host", host.host_id, "--json"];
      const { project_id } = JSON.parse(await cli(...made)) as Project;
      await cli("project", "start", project_id);
      const ca = await tree.ok(["cat", `${STATE}/launchpad/tls/ca.pem`]);
      const hub = browserAt(port, port, ca);
      await hub.signIn("ada@example.com", PASSWORD);
      const { key } = await hub.me.createKey("test");
      place = { until, port, hubPort: port, project_id, host_id: host.host_id, key, ca };
      terminal = await openTerminal(place);
      shell = /\d+/.exec(
        await terminal.says("x=kept-$((40+2)); echo shell-$$-here", /shell-\d+-here/, WAIT),
      )?.[0];
      const person = generateKeyPair();
      const keyFile = join(releases.dir, "person");
      writeFileSync(keyFile, encodePrivateKey(person), { mode: 0o600 });
      await hub.ssh.addKey({ key: person.publicLine });
      const { user, gateway } = await hub.ssh.project(project_id);
      ssh = await openSsh(gateway?.port ?? 0, user, keyFile, until);
      login = await ssh.hears("hello", WAIT);
      upload = beginUpload(place, "model.bin", 4);
      upload.release(1);
      await until("its first part arrived", async () => upload.sent() >= 1, WAIT);
      began = await container();
    },
    SLOW,
  );

  /** Each goes on where it was: the same shell, the same login, the same file; in a container that was never started anew. */
  async function allGoesOn(part: number): Promise<void> {
    expect(await ssh.hears(`after-${part}`, WAIT)).toBe(login);
    await terminal.says(`echo $x-in-$$-after-${part}`, new RegExp(`kept-42-in-${shell}-after-${part}`), WAIT);
    await until("the part arrived", async () => upload.sent() >= part, WAIT);
    expect(await container()).toBe(began);
    console.log(
      `terminal attached ${terminal.attached()} times; ${upload.again()} calls of the upload made again`,
    );
  }

  test(
    "to the next release: all three go on",
    async () => {
      upload.release(2);
      const done = await install("9.2.0");
      expect(done.stderr).toContain("all services run 9.2.0 and are ready");
      await allGoesOn(2);
      expect(terminal.attached()).toBeGreaterThan(1);
    },
    SLOW,
  );

  test(
    "a bad one is taken back by itself: all three go on, and the upload is what was sent",
    async () => {
      upload.release(3);
      const bad = await install("9.3.0");
      expect(bad.code).not.toBe(0);
      expect(bad.stderr).toContain("going back to 9.2.0");
      expect(await cli("--version")).toStartWith("9.2.0");
      await allGoesOn(3);
      upload.release(4);
      await upload.done;
      const sum = await cli("project", "exec", place.project_id, "--", "sha256sum", "model.bin");
      expect(sum.split(" ")[0]).toBe(upload.sha256);
      expect(await tree.ok(["systemctl", "--failed", "--no-legend"])).toBe("");
    },
    SLOW,
  );
});
