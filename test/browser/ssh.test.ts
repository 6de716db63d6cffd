/** SSH as its page tells it: the command, the host key and one's keys, in Chromium; what it says is done with stock ssh. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { Project } from "../../src/contract/api.ts";
import { cleanEnv, exec, execOk } from "../../src/core/exec.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import {
  launch,
  looks,
  makeAdmin,
  seriousProblems,
  shot,
  sticksOut,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;
const WAIT = 60_000;

describe.skipIf(!CAN)("SSH in Chromium and with stock ssh (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let ben: Watched;
  let id: string;
  let dir: string;
  /** What the page gives to copy. */
  let command: string[];
  const keys = { ada: generateKeyPair(), ben: generateKeyPair() };
  const held: Bun.Subprocess[] = [];

  /** The command of the page, with this person's key and a list of known hosts that begins empty. */
  const as = (who: keyof typeof keys, ...more: string[]) => {
    const [ssh = "", ...rest] = command;
    const options = [
      `IdentityFile=${join(dir, who)}`,
      "IdentitiesOnly=yes",
      "BatchMode=yes",
      "StrictHostKeyChecking=accept-new",
      `UserKnownHostsFile=${join(dir, "known_hosts")}`,
      "LogLevel=ERROR",
      "ConnectTimeout=20",
    ].flatMap((option) => ["-o", option]);
    return [ssh, "-F", "none", ...options, ...rest, ...more];
  };
  const run = (who: keyof typeof keys, text: string) => exec(as(who, text), { timeout: WAIT, stdin: "" });
  /** Logged in, and there until something ends it. */
  async function stay(who: keyof typeof keys): Promise<Bun.Subprocess> {
    const proc = Bun.spawn(as(who, "echo in; exec cat"), {
      cwd: "/",
      env: cleanEnv(),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    held.push(proc);
    const { value } = await proc.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("in\n");
    return proc;
  }
  const block = (page: Page, where: string) => page.locator(".command").filter({ hasText: where });
  async function addKey(page: Page, list: string, who: keyof typeof keys): Promise<void> {
    const section = page.getByRole("region", { name: list, exact: true });
    await section.getByLabel("Public key").fill(`${keys[who].publicLine} ${who}@laptop`);
    await section.getByRole("button", { name: "Add the key" }).click();
    await section.getByText(`${who}@laptop`).waitFor();
  }

  beforeAll(async () => {
    hub = await startHub();
    dir = mkdtempSync(join(tmpdir(), "cc-ssh-page-"));
    for (const who of ["ada", "ben"] as const)
      writeFileSync(join(dir, who), encodePrivateKey(keys[who]), { mode: 0o600 });
    browser = await launch();
    ada = await watchedPage(browser);
    ben = await watchedPage(browser, "dark");
    await ada.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await makeAdmin(ada.page, hub.setupUrl);
    id = (await hub.json<Project>("project", "create", "--name", "far away")).project_id;
    await hub.json("project", "start", id);
  }, SLOW);
  afterAll(async () => {
    for (const proc of held) proc.kill("SIGKILL");
    await browser?.close();
    await hub?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "the command is copied, a key is added, and it works; the host key is the one that page and host drawer show",
    async () => {
      const { page } = ada;
      await page.goto(`${hub.url}/projects/${id}/connect`);
      const shell = block(page, "A shell");
      await shell.getByRole("button", { name: "Copy" }).click();
      await shell.getByText("Copied").waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      expect(copied).toBe(`ssh -p ${hub.basePort + 100} ${id}@localhost`);
      command = copied.split(" ");
      expect((await run("ada", "true")).stderr).toContain("Permission denied (publickey)");
      await addKey(page, "Your keys", "ada");
      const ran = await until(
        "the key comes in",
        async () => {
          const result = await run("ada", "id -un; pwd");
          return result.code === 0 && result;
        },
        WAIT,
      );
      expect(ran.stdout).toBe("user\n/home/user\n");
      expect(await seriousProblems(page)).toEqual([]);
      await shot(page, "ssh-page");
      // What ssh took down at that first connection.
      const known = await execOk(["ssh-keygen", "-lf", join(dir, "known_hosts")]);
      const fingerprint = /SHA256:\S+/.exec(known)?.[0] ?? "none";
      const told = block(page, "ED25519, of").filter({ hasNotText: "own SSH port" });
      expect(await told.locator("pre").textContent()).toBe(fingerprint);
      await page.goto(`${hub.url}/hosts`);
      await page.getByRole("row").nth(1).click();
      const gateway = page.getByRole("region", { name: "SSH gateway" });
      await gateway.getByText(fingerprint).waitFor();
      await gateway.getByText(`${hub.basePort + 100}, listens`).waitFor();
      expect(await seriousProblems(page)).toEqual([]);
      await shot(page, "ssh-host-drawer");
      await page.setViewportSize({ width: 390, height: 844 });
      await page.goto(`${hub.url}/projects/${id}/connect`);
      await block(page, "A shell").waitFor();
      await shot(page, "ssh-page-phone");
      expect(await sticksOut(page)).toBe(0);
      await page.setViewportSize({ width: 1440, height: 900 });
    },
    SLOW,
  );

  test(
    "who is logged in keeps the project awake, and the page says so; a removed key ends the login",
    async () => {
      const { page } = ada;
      const live = await stay("ada");
      await page.goto(`${hub.url}/projects/${id}/usage`);
      await page.getByText(/Kept awake by .*an SSH login/).waitFor({ timeout: WAIT });
      await shot(page, "ssh-awake");
      await page.goto(`${hub.url}/projects/${id}/connect`);
      await page.getByRole("button", { name: "Remove the key ada@laptop" }).click();
      await live.exited;
      expect((await run("ada", "true")).stderr).toContain("Permission denied (publickey)");
      await page.goto(`${hub.url}/projects/${id}/usage`);
      await page.getByText(/^(Kept awake by|Idle)/).waitFor({ timeout: WAIT });
      await until(
        "nobody keeps it awake over SSH",
        async () => !/SSH login/.test((await page.getByText(/^(Kept awake by|Idle)/).textContent()) ?? ""),
        WAIT,
      );
    },
    SLOW,
  );

  test(
    "a collaborator's own key opens the project; out of it, the login ends at once",
    async () => {
      const file = join(dir, "password");
      writeFileSync(file, "another horse battery\n", { mode: 0o600 });
      const named = ["--email", "ben@example.com", "--name", "Ben", "--password-file", file];
      await hub.json("user", "create", ...named);
      const { page } = ben;
      await page.goto(`${hub.url}/sign-in`);
      await page.getByLabel("E-mail address").fill("ben@example.com");
      await page.getByLabel("Password", { exact: false }).first().fill(readFileSync(file, "utf8").trim());
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
      await page.goto(`${hub.url}/account`);
      await addKey(page, "SSH keys", "ben");
      expect((await run("ben", "true")).code).toBe(255);
      await hub.json("project", "share", "add", id, "ben@example.com", "--role", "collaborator");
      await until("he comes in", async () => (await run("ben", "true")).code === 0, WAIT);
      const watched = ada.page;
      const face = (name: string) => watched.getByRole("img", { name, exact: true });
      await watched.goto(`${hub.url}/projects/${id}/people`);
      const first = await stay("ben");
      await face("Ben, over SSH").waitFor({ timeout: WAIT });
      await watched.getByText("Ben, here now, over SSH").waitFor();
      await looks(watched, "ssh-present");
      expect(await seriousProblems(watched)).toEqual([]);
      first.kill("SIGKILL");
      await face("Ben, over SSH").waitFor({ state: "detached", timeout: WAIT });
      // A key of the project is nobody's account.
      writeFileSync(join(dir, "ada.pub"), `${keys.ada.publicLine} build robot\n`);
      await hub.json("ssh-key", "add", join(dir, "ada.pub"), "--project", id);
      expect((await run("ada", "true")).code).toBe(0);
      const robot = await stay("ada");
      await face("The project's key build robot, over SSH").waitFor({ timeout: WAIT });
      await watched.getByText("by a key that is nobody's account").waitFor();
      // Their host's program is killed; the logins live on, and the hub hears of them again.
      const [daemon] = descendantsOf(hub.pid).filter(
        ({ argv }) => argv[0]?.endsWith("cocalc-project-host") && argv[1] === "serve",
      );
      const killed = daemon?.pid ?? -1;
      process.kill(killed, "SIGKILL");
      const hostIsBack = async () =>
        !descendantsOf(hub.pid).some(({ pid }) => pid === killed) &&
        (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready";
      await until("the host is back", hostIsBack, WAIT);
      const live = await stay("ben");
      await face("Ben, over SSH").waitFor({ timeout: WAIT });
      expect(robot.exitCode).toBeNull();
      await face("The project's key build robot, over SSH").waitFor({ timeout: WAIT });
      robot.kill("SIGKILL");
      await face("The project's key build robot, over SSH").waitFor({ state: "detached", timeout: WAIT });
      await page.goto(`${hub.url}/projects/${id}/connect`);
      await page.getByText("ben@laptop").waitFor();
      await shot(page, "ssh-page-dark");
      await face("Ben, also over SSH").waitFor({ timeout: WAIT });
      await hub.json("project", "share", "remove", id, "ben@example.com");
      await live.exited;
      expect((await run("ben", "true")).stderr).toContain("Permission denied (publickey)");
    },
    SLOW,
  );
});
