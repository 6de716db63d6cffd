/**
 * Another version takes the place of one that runs, while a terminal, an upload and an SSH session are open: the
 * programs are replaced on the disk, then every service is ended and starts anew, as the installer has systemd do it
 * (which test/integration/joined-host.test.ts shows; here the supervisor stands for systemd). Real Chromium, ssh, podman.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { Host, Project } from "../../src/contract/api.ts";
import { cleanEnv, exec, execOk } from "../../src/core/exec.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import { launch, makeAdmin, shot, terminalShows, typeLine, watchedPage } from "../fixtures/browser.ts";
import { descendantsOf, type Proc } from "../fixtures/processes.ts";
import {
  buildOnce,
  HOST_BINARY,
  HUB_BINARY,
  type RunningHub,
  startHub,
  until,
} from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const REPO = resolve(import.meta.dir, "../..");
const SLOW = 300_000;
const LATER = "0.9.9";
const PROGRAMS = ["cocalc-hub", "cocalc-project-host"] as const;
/** What runs all the time; each is a unit where there is systemd. */
const SERVICES = ["serve", "sshd", "connector", "helper"];

describe.skipIf(!CAN)("what survives an upgrade (needs root for podman, and Chromium)", () => {
  let dir: string;
  let hub: RunningHub;
  let browser: Browser;
  let page: Page;
  let project: string;
  let host: Host;
  const key = generateKeyPair();

  const inProject = async (command: string) =>
    (await hub.cli("project", "exec", project, "--", "sh", "-c", command)).stdout.trim();
  const ssh = (...command: string[]) => [
    ...["ssh", "-F", "none", "-i", join(dir, "key"), "-p", String(host.ssh_port)],
    ...["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"].flatMap(
      (one) => ["-o", one],
    ),
    ...["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", `${project}@127.0.0.1`, ...command],
  ];
  const services = (): Proc[] =>
    descendantsOf(hub.pid).filter(
      ({ argv }) => argv[0]?.startsWith(join(dir, "bin/")) && SERVICES.includes(argv[1] ?? ""),
    );

  beforeAll(async () => {
    await buildOnce();
    dir = mkdtempSync(join(tmpdir(), "cc-later-"));
    await execOk(["chmod", "755", dir]);
    await execOk([join(REPO, "scripts/build"), "--version", LATER, "--out", join(dir, "later")], {
      timeout: SLOW,
      cwd: REPO,
    });
    cpSync(HUB_BINARY, join(dir, "bin/cocalc-hub"));
    cpSync(HOST_BINARY, join(dir, "bin/cocalc-project-host"));
    // In the place of the built program, the copy of it.
    const program = join(dir, "bin/cocalc-hub");
    hub = await startHub({ wrap: ["sh", "-c", `shift; exec ${program} "$@"`, "sh"] });
    browser = await launch();
    page = (await watchedPage(browser)).page;
    await makeAdmin(page, hub.setupUrl);
    project = (await hub.json<Project>("project", "create", "--name", "thesis")).project_id;
    await hub.json("project", "start", project);
    [host] = (await hub.json<Host[]>("host", "list")) as [Host];
    writeFileSync(join(dir, "key"), encodePrivateKey(key), { mode: 0o600 });
    writeFileSync(join(dir, "key.pub"), `${key.publicLine} ada@laptop\n`);
    await hub.json("ssh-key", "add", join(dir, "key.pub"), "--project", project);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "the same shell goes on in the page, the upload arrives as it was sent; the SSH session ends, and the next is there at once",
    async () => {
      await page.goto(`${hub.url}/projects/${project}`);
      await terminalShows(page, /\$\s*$/, 60_000);
      await typeLine(page, "x=kept-$((40+2)); echo shell-$$-here");
      const shell = /shell-(\d+)-here/.exec(await terminalShows(page, /shell-\d+-here/))?.[1];
      const bytes = randomBytes(48 * 1024 * 1024);
      writeFileSync(join(dir, "model.bin"), bytes);
      // The first part goes through; the others wait until the services end.
      let parts = 0;
      const ending = Promise.withResolvers<void>();
      await page.route("**/files/uploads/*", async (route) => {
        if (route.request().method() === "PATCH" && ++parts > 1) await ending.promise;
        await route.continue().catch(() => {});
      });
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Upload files" }).click();
      await (await chooser).setFiles(join(dir, "model.bin"));
      const arrived = async () =>
        Number(await inProject("stat -c %s ~/.local/share/cocalc/uploads/*/data 2>/dev/null || echo 0"));
      await until("some of it is there", async () => (await arrived()) > 0, 60_000);
      const session = Bun.spawn(ssh("echo in; (sleep 900 & echo $! >behind); exec cat"), {
        cwd: "/",
        env: cleanEnv(),
        stdin: "pipe",
        stdout: "pipe",
        stderr: "ignore",
      });
      const first = await session.stdout.getReader().read();
      expect(new TextDecoder().decode(first.value)).toBe("in\n");

      const before = services();
      expect(new Set(before.map(({ argv }) => argv[1]))).toEqual(new Set(SERVICES));
      for (const name of PROGRAMS) renameSync(join(dir, "later", name), join(dir, "bin", name));
      const began = Date.now();
      ending.resolve();
      for (const { pid } of before) process.kill(pid, "SIGTERM");

      await session.exited;
      const ended = Date.now() - began;
      await until(
        "somebody comes in by SSH again",
        async () => (await exec(ssh("true"), { timeout: 20_000 })).code === 0,
        90_000,
      );
      const again = Date.now() - began;
      console.log(`SSH: the session ended after ${ended} ms, the next one was in after ${again} ms`);
      await page.getByRole("treeitem", { name: "model.bin" }).waitFor({ timeout: 90_000 });
      const sum = createHash("sha256").update(bytes).digest("hex");
      await until(
        "it is what was sent",
        async () => (await inProject("sha256sum model.bin")).split(" ")[0] === sum,
        60_000,
      );
      const same = new RegExp(`kept-42-in-${shell}-again`);
      await until(
        "the same shell answers",
        async () => {
          // What is typed before the page is connected again goes nowhere.
          await typeLine(page, "echo $x-in-$$-again");
          return await terminalShows(page, same, 5_000);
        },
        90_000,
      );
      // What the SSH session left running in the project still does.
      await until(
        "what it left behind is seen",
        async () => (await inProject("kill -0 $(cat behind) && echo runs")) === "runs",
        60_000,
      );

      // The page says that it is of the version before, and loads the other one when asked; the shell is still that one.
      const load = page.getByRole("button", { name: "Load it again" });
      await load.waitFor({ timeout: 60_000 });
      await shot(page, "page-of-the-version-before");
      await load.click();
      await terminalShows(page, same, 60_000);
      expect(await load.count()).toBe(0);

      // All of it is the other version.
      await until(
        "the host reports its version",
        async () => {
          const [now] = await hub.json<Host[]>("host", "list");
          return now?.state === "ready" && now.report?.version === LATER;
        },
        60_000,
      );
      const pids = new Set(before.map(({ pid }) => pid));
      expect(services().some(({ pid }) => pids.has(pid))).toBe(false);
      expect((await hub.json<Project>("project", "show", project)).state).toBe("running");
    },
    SLOW,
  );
});
