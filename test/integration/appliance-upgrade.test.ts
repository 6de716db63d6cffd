/**
 * The appliance's machine is upgraded, under QEMU and so under a real systemd, while a terminal, an SSH session and an
 * upload are open, from outside. Only with COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiClient } from "../../src/contract/client.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import {
  appliances,
  BOOT_MS,
  BUILD_MS,
  browserOf,
  HUB,
  inProject,
  SLOW,
  setupToken,
  whyNotLong,
} from "../fixtures/appliance.ts";
import { beginUpload, openSsh, openTerminal, type Place } from "../fixtures/open-sessions.ts";
import { makeReleases, type Releases } from "../fixtures/release.ts";
import type { Vm } from "../fixtures/vm.ts";

/** Of the first host's SSH, the base port and 100. */
const GATEWAY = 9300;
const NO_FAILURE = "systemctl --failed --no-legend --plain";

describe.skipIf(whyNotLong !== undefined)(`the appliance is upgraded (${whyNotLong ?? "long"})`, () => {
  let releases: Releases;
  let vm: Vm;
  let dir: string;
  let place: Place;
  let hub: ApiClient;
  let terminal: Awaited<ReturnType<typeof openTerminal>>;
  let shell: string;
  let ssh: Awaited<ReturnType<typeof openSsh>>;
  let login: string;
  let upload: ReturnType<typeof beginUpload>;
  let container: string;

  const lab = appliances(async () => {
    releases = await makeReleases();
    return ["--release", await releases.make("9.1.0")];
  });
  beforeAll(async () => {
    dir = mkdtempSync("/var/tmp/cocalc-disc-");
    const next = await releases.make("9.2.0");
    await releases.breakProgram("9.2.0", "9.3.0", "cocalc-hub");
    cpSync(next, join(dir, "9.2.0"), { recursive: true });
    cpSync(join(releases.dir, "cocalc-launchpad-9.3.0"), join(dir, "9.3.0"), { recursive: true });
    vm = await lab.make({ disc: dir, ports: { 9200: lab.port, 22: lab.port + 1, [GATEWAY]: lab.port + 2 } });
  }, BUILD_MS);
  afterAll(async () => {
    terminal?.close();
    await ssh?.close();
    releases?.remove();
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  test(
    "an administrator, a project that runs; a terminal, an SSH session and an upload are open",
    async () => {
      await vm.powerOn();
      const token = await setupToken(vm);
      await lab.until(
        "root's shell",
        () => vm.ok("mkdir -p /disc && mount /dev/disk/by-label/DISC /disc"),
        BOOT_MS,
      );
      hub = await browserOf(vm, lab.port);
      await lab.setUp(hub, token);
      const { project_id } = await hub.projects.create({ name: "thesis" });
      await hub.projects.start(project_id);
      await lab.running(hub, project_id);
      const host_id = (await hub.projects.get(project_id)).host_id ?? "";
      const ca = await vm.ok("cat /var/lib/cocalc/.local/share/cocalc/launchpad/tls/ca.pem");
      const { key } = await hub.me.createKey("test");
      place = { until: lab.until, port: lab.port, hubPort: 9200, project_id, host_id, key, ca };
      terminal = await openTerminal(place);
      shell = await terminal.says("x=kept-$((40+2)); echo shell-$$-here", /shell-\d+-here/, SLOW);
      const person = generateKeyPair();
      writeFileSync(join(dir, "key"), encodePrivateKey(person), { mode: 0o600 });
      await hub.ssh.addKey({ key: person.publicLine });
      const { user, gateway } = await hub.ssh.project(project_id);
      expect(gateway?.port).toBe(GATEWAY);
      ssh = await openSsh(lab.port + 2, user, join(dir, "key"), lab.until);
      login = await ssh.hears("hello", SLOW);
      upload = beginUpload(place, "model.bin", 4);
      upload.release(1);
      await lab.until("its first part arrived", async () => upload.sent() >= 1, SLOW);
      container = await vm.ok(inProject(project_id, "cat /proc/1/stat | cut -d' ' -f22"));
    },
    3 * BOOT_MS,
  );

  const upgrade = (version: string) =>
    vm.sh(`sh /disc/${version}/install.sh --offline /disc/${version}`, { timeout: BOOT_MS });
  /** Each goes on where it was: the same shell, the same login, the same file; in a container that was never started anew. */
  async function allGoesOn(part: number): Promise<void> {
    expect(await ssh.hears(`after-${part}`, SLOW)).toBe(login);
    const pid = /\d+/.exec(shell)?.[0];
    await terminal.says(`echo $x-in-$$-after-${part}`, new RegExp(`kept-42-in-${pid}-after-${part}`), SLOW);
    await lab.until("the part arrived", async () => upload.sent() >= part, SLOW);
    expect(await vm.ok(inProject(place.project_id, "cat /proc/1/stat | cut -d' ' -f22"))).toBe(container);
    console.log(`the terminal was attached ${terminal.attached()} times, ${upload.again()} calls made again`);
  }

  test(
    "to the next release: all three go on",
    async () => {
      upload.release(2);
      const done = await upgrade("9.2.0");
      expect(done.stderr).toContain("all services run 9.2.0 and are ready");
      await allGoesOn(2);
    },
    2 * BOOT_MS,
  );

  test(
    "a bad one is taken back by itself: all three go on, the upload is what was sent, and all is as before",
    async () => {
      upload.release(3);
      const bad = await upgrade("9.3.0");
      expect(bad.code).not.toBe(0);
      expect(bad.stderr).toContain("going back to 9.2.0");
      expect(await vm.ok(`${HUB} --version`)).toStartWith("9.2.0");
      await allGoesOn(3);
      upload.release(4);
      await upload.done;
      const sum = await vm.ok(inProject(place.project_id, "sha256sum model.bin"));
      expect(sum.split(" ")[0]).toBe(upload.sha256);
      await lab.until("nothing has failed", async () => (await vm.ok(NO_FAILURE)) === "", SLOW);
      await lab.until(
        "the host reports the version",
        async () => (await hub.hosts.list()).some((one) => one.report?.version === "9.2.0"),
        SLOW,
      );
    },
    2 * BOOT_MS,
  );
});
