/** Files dragged in Chromium: real ones and whole folders from the desktop, and files of the project into its folders. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { launch, makeAdmin, shot, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;
const WAIT = 60_000;

describe.skipIf(!CAN)("dragging files in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let page: Page;
  let project: string;
  let desktop: string;

  const inProject = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", project, "--", "sh", "-c", command);
    expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    return said.stdout;
  };
  const item = (name: string) => page.getByRole("treeitem", { name, exact: false });
  const centre = async (target: Locator) => {
    const box = await target.boundingBox();
    if (box === null) throw new Error("it is not in the page");
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  /** As from a file manager: the browser itself reads the paths and makes entries of them, folders too. */
  async function dropFromDesktop(target: Locator, files: string[]): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const at = await centre(target);
    for (const type of ["dragEnter", "dragOver", "drop"] as const)
      await session.send("Input.dispatchDragEvent", {
        type,
        ...at,
        data: { items: [], files, dragOperationsMask: 1 },
      });
    await session.detach();
  }

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    page = (await watchedPage(browser)).page;
    desktop = mkdtempSync(join(tmpdir(), "cc-desktop-"));
    await makeAdmin(page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>("project", "create", "--name", "drag"));
    await hub.json("project", "start", project);
    await inProject("mkdir inbox archive; echo one >one.txt; echo two >two.txt");
    await page.goto(`${hub.url}/projects/${project}`);
    await item("inbox").waitFor({ timeout: WAIT });
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    if (desktop) rmSync(desktop, { recursive: true, force: true });
  }, SLOW);

  test(
    "a folder and a file from the desktop, dropped on a folder: all of it arrives there, an empty folder too",
    async () => {
      mkdirSync(join(desktop, "survey/raw"), { recursive: true });
      mkdirSync(join(desktop, "survey/empty"));
      // More than a browser hands over at once.
      for (let n = 0; n < 130; n++) writeFileSync(join(desktop, `survey/raw/${n}.txt`), `reading ${n}`);
      writeFileSync(join(desktop, "ünï ☃.txt"), "snow");
      await dropFromDesktop(item("inbox"), [join(desktop, "survey"), join(desktop, "ünï ☃.txt")]);
      await page.getByText("Uploaded 131 files").waitFor({ timeout: WAIT });
      const listed = "find inbox/survey -type f | wc -l; cat inbox/survey/raw/129.txt 'inbox/ünï ☃.txt'";
      expect(await inProject(listed)).toBe("130\nreading 129snow");
      expect(await inProject("ls -d inbox/survey/empty")).toBe("inbox/survey/empty\n");
    },
    SLOW,
  );

  test(
    "files of the tree into a folder of it: moved, several at once; onto what is there nothing is lost",
    async () => {
      await item("one.txt").dragTo(item("archive"));
      await until(
        "it is there",
        async () => (await inProject("ls archive; ls")) === "one.txt\narchive\ninbox\ntwo.txt\n",
        WAIT,
      );
      await inProject("echo three >three.txt; echo another one >one.txt");
      await item("three.txt").waitFor({ timeout: WAIT });
      await item("two.txt").click();
      await item("three.txt").click({ modifiers: ["Control"] });
      await item("two.txt").dragTo(item("archive"));
      await until(
        "both are there",
        async () => (await inProject("ls archive")) === "one.txt\nthree.txt\ntwo.txt\n",
        WAIT,
      );
      // One of that name lies there already.
      await page.locator('[data-path="one.txt"]').dragTo(item("archive"));
      await page.waitForTimeout(1_000);
      await shot(page, "files-drag-taken");
      const all = await inProject("cat one.txt archive/*one* 2>/dev/null; cat archive/one.txt");
      expect(all).toContain("another one");
      expect(await inProject("cat archive/one.txt")).toBe("one\n");
    },
    SLOW,
  );
});
