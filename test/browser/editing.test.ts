/** Two people in one file, each in a Chromium of their own: what anybody types or a program writes is there in the end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { exec } from "../../src/core/exec.ts";
import {
  launch,
  makeAdmin,
  seriousProblems,
  shot,
  sticksOut,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 180_000;
const PATIENCE_MS = 60_000;

describe.skipIf(!CAN)("editing together, in two Chromiums (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let ben: Watched;
  let project: string;

  const inProject = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", project, "--", "sh", "-c", command);
    expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    return said.stdout;
  };
  const openFile = async (page: Page) => {
    await page.goto(`${hub.url}/projects/${project}`);
    await page.getByRole("treeitem").filter({ hasText: "poem.md" }).click();
    await page.locator(".cm-content:visible").waitFor();
  };
  /** Its lines, without the names that the others' cursors carry. */
  const textOf = (page: Page) =>
    page.locator(".cm-content:visible").evaluate((content) => {
      const copy = content.cloneNode(true) as HTMLElement;
      for (const caret of copy.querySelectorAll(".cm-ySelectionCaret")) caret.remove();
      return [...copy.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n");
    });
  const state = (page: Page, word: string) =>
    page.locator('.status:visible [role="status"]', { hasText: new RegExp(`^${word}$`) });
  const saved = (page: Page) => state(page, "Saved").waitFor({ timeout: PATIENCE_MS });
  const shows = (page: Page, pattern: RegExp) =>
    until(`the page shows ${pattern}`, async () => pattern.test(await textOf(page)), PATIENCE_MS);
  const onDisk = (pattern: RegExp) =>
    until(`the disk has ${pattern}`, async () => pattern.test(await inProject("cat poem.md")), PATIENCE_MS);

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    ada = await watchedPage(browser);
    ben = await watchedPage(browser, "dark");
    await makeAdmin(ada.page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "verse",
    ));
    await hub.json("project", "start", project);
    await inProject(String.raw`printf 'The first line\nThe second line\nThe third line\n' > poem.md`);
    const made = await hub.json<{ url: string }>(
      "project",
      "share",
      "link",
      project,
      "--role",
      "collaborator",
    );
    await ben.page.goto(made.url.replace(/^https?:\/\/[^/]+/, hub.url));
    await ben.page.getByLabel("Name").fill("Ben");
    await ben.page.getByLabel("E-mail address").fill("ben@example.com");
    await ben.page.getByLabel("Password").first().fill("another horse battery");
    await ben.page.getByRole("button", { name: "Make an account and join" }).click();
    await ben.page.waitForURL(`**/projects/${project}`);
    for (const { page } of [ada, ben]) page.on("dialog", (dialog) => void dialog.accept());
    await openFile(ada.page);
    await openFile(ben.page);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "both type at the same time, see each other's text, faces and cursors; undo takes back one's own alone",
    async () => {
      for (const { page } of [ada, ben]) await page.locator(".cm-content:visible").click();
      await ada.page.keyboard.press("Control+Home");
      await ben.page.keyboard.press("Control+End");
      await Promise.all([
        ada.page.keyboard.type("Ada wrote this. ", { delay: 20 }),
        ben.page.keyboard.type("Ben wrote that.", { delay: 20 }),
      ]);
      for (const { page } of [ada, ben]) {
        await shows(page, /^Ada wrote this\. The first line[\s\S]*Ben wrote that\./);
        await saved(page);
      }
      await onDisk(/^Ada wrote this\. The first line\nThe second line\nThe third line\nBen wrote that\.$/);
      await ada.page.locator(".status:visible").getByRole("img", { name: "Ben" }).waitFor();
      await ben.page.locator(".status:visible").getByRole("img", { name: "Ada" }).waitFor();
      await ben.page.keyboard.press("Control+Home");
      await ben.page.keyboard.press("Shift+ArrowDown");
      await ada.page.locator(".cm-ySelectionCaret").waitFor({ timeout: PATIENCE_MS });
      await ada.page.locator(".cm-ySelection").first().waitFor();
      await ben.page.locator(".cm-ySelectionCaret", { hasText: "Ada" }).waitFor({ timeout: PATIENCE_MS });
      await shot(ada.page, "editing-light");
      await shot(ben.page, "editing-dark");
      expect(await seriousProblems(ada.page)).toEqual([]);
      expect(await seriousProblems(ben.page)).toEqual([]);
      await ada.page.keyboard.press("Control+z");
      await shows(ben.page, /^The first line/);
      expect(await textOf(ada.page)).toContain("Ben wrote that.");
      await ada.page.keyboard.press("Control+y");
      await shows(ben.page, /^Ada wrote this/);
    },
    SLOW,
  );

  test(
    "what a program appends is merged",
    async () => {
      await ada.page.locator(".cm-content:visible").click();
      await ada.page.keyboard.press("Control+Home");
      await ada.page.keyboard.type("Title. ");
      await inProject(String.raw`printf '\nfrom a program\n' >> poem.md`);
      for (const { page } of [ada, ben]) await shows(page, /^Title\. Ada[\s\S]*from a program/);
      await onDisk(/^Title\. Ada[\s\S]*from a program\n$/);
    },
    SLOW,
  );

  test(
    "offline for a while: said, both go on, a reload then loses nothing, and all is merged",
    async () => {
      await ben.page.context().setOffline(true);
      // An open socket outlives Playwright's switch: the hub's connection is cut as a pulled cable would.
      await ben.page.evaluate(() => dispatchEvent(new Event("offline")));
      const children = (await exec(["ps", "-o", "pid=,args=", "--ppid", String(hub.pid)])).stdout;
      process.kill(Number(/^\s*(\d+) .*cocalc-hub serve/m.exec(children)?.[1]), "SIGKILL");
      await ben.page.locator(".cm-content:visible").click();
      await ben.page.keyboard.press("Control+Home");
      await ben.page.keyboard.type("Offline. ");
      await state(ben.page, "Not saved \\(offline\\)").waitFor({ timeout: PATIENCE_MS });
      await shot(ben.page, "editing-offline-dark");
      // Ada types while the hub is away, and it comes back to her alone.
      await ada.page.locator(".cm-content:visible").click();
      await ada.page.keyboard.press("Control+Home");
      await ada.page.keyboard.press("End");
      await ada.page.keyboard.type(" (she went on)");
      await saved(ada.page);
      await onDisk(/\(she went on\)\nThe second line/);
      await ben.page.waitForTimeout(600);
      await ben.page.context().setOffline(false);
      await ben.page.reload();
      await ben.page.locator(".cm-content:visible").waitFor({ timeout: PATIENCE_MS });
      for (const { page } of [ada, ben]) await shows(page, /^Offline\. Title\.[^\n]*\(she went on\)/);
      await onDisk(/^Offline\. Title\.[^\n]*\(she went on\)\n/);
      for (const { page } of [ada, ben]) await saved(page);
    },
    SLOW,
  );

  test(
    "a viewer sees it as it is typed, and cannot write; on a phone all of it is within reach",
    async () => {
      await hub.json("project", "share", "view", project, "--paths", "poem.md");
      await hub.json("project", "share", "add", project, "ben@example.com", "--role", "viewer");
      await ben.page.getByText("You are a viewer of this project").waitFor({ timeout: PATIENCE_MS });
      await ben.page.getByRole("button", { name: "poem.md" }).click();
      await ben.page.getByText("Text", { exact: true }).click();
      await shows(ben.page, /^Offline\. Title\./);
      await state(ben.page, "Read only").waitFor();
      await ben.page.locator(".cm-content:visible").click();
      await ben.page.keyboard.type("defaced");
      await ada.page.locator(".cm-content:visible").click();
      await ada.page.keyboard.press("Control+Home");
      await ada.page.keyboard.type("Live: ");
      await shows(ben.page, /^Live: Offline\./);
      await ben.page.locator(".cm-ySelectionCaret", { hasText: "Ada" }).waitFor({ timeout: PATIENCE_MS });
      await shot(ben.page, "editing-viewer-dark");
      expect(await seriousProblems(ben.page)).toEqual([]);
      await saved(ada.page);
      expect(await inProject("cat poem.md")).not.toContain("defaced");
      await ada.page.setViewportSize({ width: 390, height: 844 });
      await shot(ada.page, "editing-phone");
      expect(await sticksOut(ada.page)).toBe(0);
      const odd = [...ada.errors, ...ben.errors];
      expect(odd.filter((text) => !/WebSocket|ERR_|Failed to (load|fetch)|50[0-9]/.test(text))).toEqual([]);
    },
    SLOW,
  );
});
