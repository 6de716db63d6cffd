/** A day's work in a project, in real Chromium: what is typed is never lost, and nothing freezes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { exec } from "../../src/core/exec.ts";
import {
  launch,
  longestStall,
  makeAdmin,
  seriousProblems,
  shot,
  sticksOut,
  terminalShows,
  terminalText,
  typeLine,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;

describe.skipIf(!CAN)("a project in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let watched: Watched;
  let page: Page;
  let project: string;

  const inProject = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", project, "--", "sh", "-c", command);
    expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    return said.stdout;
  };
  const openFile = async (name: string) => {
    await page.getByRole("treeitem").filter({ hasText: name }).click();
    await page.getByRole("tab", { name }).waitFor();
    await page.locator(".cm-content:visible").waitFor();
  };
  const editorText = () => page.locator(".cm-content:visible").textContent();
  const state = (word: string) =>
    page.locator('.status:visible [role="status"]', { hasText: new RegExp(`^${word}$`) });
  /** The word alone may be that of before the last key. */
  const onDisk = (command: string, text: string) =>
    until(`the disk has ${text}`, async () => (await inProject(command)) === text, 60_000);
  const settled = (timeout = 30_000) => state("Saved").waitFor({ timeout });

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    watched = await watchedPage(browser);
    page = watched.page;
    await makeAdmin(page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "climate",
    ));
    await hub.json("project", "start", project);
    await page.goto(`${hub.url}/projects/${project}`);
    await terminalShows(page, /\$\s*$/);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "saving changes what was typed and nothing else: line endings, byte order mark, mode",
    async () => {
      await inProject(String.raw`printf '\357\273\277one\r\ntwo\r\n' > dos.txt; chmod 640 dos.txt`);
      await openFile("dos.txt");
      await page.locator(".cm-content:visible").click();
      await page.keyboard.press("Control+End");
      await page.keyboard.type("three");
      await page.keyboard.press("Control+s");
      await onDisk(
        "od -An -c dos.txt | tr -d ' \\n'; stat -c %a dos.txt",
        `${String.raw`357273277one\r\ntwo\r\nthree640`}\n`,
      );
      await settled();
    },
    SLOW,
  );

  test(
    "what is typed is in the file after a pause, and there after a reload at once",
    async () => {
      await inProject("printf start > draft.txt");
      await openFile("draft.txt");
      await page.locator(".cm-content:visible").click();
      await page.keyboard.press("Control+End");
      await page.keyboard.type(" and more");
      await onDisk("cat draft.txt", "start and more");
      await page.keyboard.type(", and the last words");
      // The browser's own question whether to leave is answered with yes, as by somebody in a hurry.
      page.on("dialog", (dialog) => void dialog.accept());
      await page.reload();
      await page.getByRole("tab", { name: "draft.txt" }).waitFor();
      await until(
        "the text is back",
        async () => (await editorText())?.includes("start and more, and the last words"),
        30_000,
      );
      await onDisk("cat draft.txt", "start and more, and the last words");
      await settled();
    },
    SLOW,
  );

  test(
    "what a program writes is merged with what is typed; a file that is gone is made anew when a person says so",
    async () => {
      await inProject("printf 'from a program\n' > draft.txt");
      await until("it is shown", async () => (await editorText())?.includes("from a program"), 30_000);
      await page.locator(".cm-content:visible").click();
      await page.keyboard.press("Control+Home");
      await page.keyboard.type("mine ");
      await inProject("echo theirs >> draft.txt");
      await until("it is shown", async () => (await editorText())?.includes("theirs"), 30_000);
      await until(
        "both are in the file",
        async () => (await inProject("cat draft.txt")) === "mine from a program\ntheirs\n",
        30_000,
      );
      await inProject("rm draft.txt");
      await page.getByText("This file is no longer there").waitFor({ timeout: 30_000 });
      await shot(page, "file-gone");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Save it anew" }).click();
      await onDisk("cat draft.txt", "mine from a program\ntheirs\n");
      await settled();
    },
    SLOW,
  );

  test(
    "code has colours, and what is no text says so",
    async () => {
      await inProject(
        `printf 'import os\\n\\n\\ndef drag(speed: float) -> float:\\n    """Drag at 10 m."""\\n    # capped\\n    return min(0.55 + speed, 2.5)\\n' > forcing.py; head -c 300 /dev/urandom > blob.bin`,
      );
      await openFile("forcing.py");
      await page.locator(".status:visible", { hasText: "Python" }).waitFor();
      await page.waitForFunction(
        () =>
          new Set([...document.querySelectorAll(".cm-line span")].map((span) => getComputedStyle(span).color))
            .size > 2,
      );
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(150);
        await shot(page, `code-${colorScheme}`);
        expect(await seriousProblems(page)).toEqual([]);
      }
      await page.emulateMedia({ colorScheme: "light" });
      await page.getByRole("treeitem").filter({ hasText: "blob.bin" }).click();
      await page.getByText("is no text").waitFor();
      await shot(page, "not-text");
      await page.getByRole("tab", { name: "blob.bin" }).press("Delete");
    },
    SLOW,
  );

  test(
    "files: a new folder, a new file in it, renamed with its tab, uploaded, downloaded, deleted",
    async () => {
      await page.getByRole("button", { name: "More for files" }).click();
      await page.getByRole("menuitem", { name: "New folder" }).click();
      await page.getByRole("textbox", { name: "Name" }).fill("a/b");
      await page.getByText("A name holds no slash.").waitFor();
      await page.getByRole("textbox", { name: "Name" }).fill("data");
      await page.getByRole("button", { name: "Make the folder" }).click();
      await page.getByRole("treeitem", { name: "data" }).click();
      await page.getByRole("button", { name: "New file" }).click();
      await page.getByText("New file in data").waitFor();
      await page.getByRole("textbox", { name: "Name" }).fill("notes.md");
      await shot(page, "new-file");
      expect(await seriousProblems(page)).toEqual([]);
      await page.keyboard.press("Enter");
      await page.getByRole("tab", { name: "notes.md" }).waitFor();
      await page.locator(".cm-content:visible").click();
      await page.keyboard.type("# Typed before the rename");
      await page.waitForTimeout(600);
      await page.getByRole("treeitem", { name: "notes.md" }).press("F2");
      await page.getByRole("textbox", { name: "New name" }).fill("readme.md");
      await page.keyboard.press("Enter");
      await page.getByRole("tab", { name: "readme.md" }).waitFor();
      await until(
        "the text moved along",
        async () => (await editorText())?.includes("before the rename"),
        10_000,
      );
      await page.getByRole("treeitem", { name: "data" }).focus();
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Upload files" }).click();
      await (await chooser).setFiles([
        { name: "up.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(3_000_000, 7) },
      ]);
      await page.getByRole("treeitem", { name: "up.bin" }).waitFor();
      expect((await inProject("stat -c %s data/up.bin")).trim()).toBe("3000000");
      await page.getByRole("treeitem", { name: "up.bin" }).hover();
      await page.getByRole("button", { name: "More for up.bin" }).click();
      const download = page.waitForEvent("download");
      await page.getByRole("menuitem", { name: "Download" }).click();
      const got = readFileSync((await (await download).path()) ?? "");
      expect(got.length).toBe(3_000_000);
      await page.getByRole("treeitem", { name: "up.bin" }).press("Delete");
      await page.getByText("up.bin went to the trash").waitFor();
      await page.getByRole("treeitem", { name: "up.bin" }).waitFor({ state: "detached" });
      expect(await inProject("ls data")).toBe("readme.md\n");
    },
    SLOW,
  );

  test(
    "terminals: named, searched, ended and started again, closed",
    async () => {
      await page.getByRole("button", { name: "New terminal" }).click();
      await terminalShows(page, /\$\s*$/);
      await page
        .getByRole("button", { name: /^More for/ })
        .last()
        .click();
      await page.getByRole("menuitem", { name: "Rename" }).click();
      await page.getByRole("textbox", { name: "Name" }).fill("make run");
      await page.keyboard.press("Enter");
      await page.getByRole("tab", { name: "make run" }).waitFor();
      await typeLine(page, "seq 1 500; echo needle-in-$((3*3)); seq 1 200");
      await terminalShows(page, /\n200\n/);
      await page.keyboard.press("Control+Shift+F");
      await page.getByLabel("Search in this terminal").fill("needle-in-9");
      await terminalShows(page, /needle-in-9/);
      await shot(page, "terminal-search");
      expect(await seriousProblems(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await typeLine(page, "exit 3");
      await terminalShows(page, /ended with status 3; Enter starts it again/);
      await page.keyboard.press("Enter");
      await terminalShows(page, /\$\s*$/);
      await page.getByRole("tab", { name: "make run" }).press("Delete");
      await page.getByRole("tab", { name: "make run" }).waitFor({ state: "detached" });
    },
    SLOW,
  );

  test(
    "100 MB of output leaves the page answering, and its end is there",
    async () => {
      await page.getByRole("button", { name: "New terminal" }).click();
      await terminalShows(page, /\$\s*$/);
      const { ms } = await longestStall(page, async () => {
        await typeLine(
          page,
          "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 100000000; echo; echo done-$((6*7))",
        );
        await terminalShows(page, /done-42/, 100_000);
      });
      console.log(`longest stall of the page during 100 MB: ${ms.toFixed(0)} ms`);
      await typeLine(page, "echo still-$((1+1))");
      await terminalShows(page, /still-2/);
    },
    SLOW,
  );

  test(
    "two windows see one terminal, in the size of the smaller",
    async () => {
      const other = await page.context().newPage();
      await other.setViewportSize({ width: 900, height: 500 });
      await other.goto(page.url());
      await terminalShows(other, /still-2/);
      await page.bringToFront();
      await page.getByText("Shown smaller").waitFor();
      await typeLine(page, "stty size");
      const shown = /\n(\d+) (\d+)\n/.exec(await terminalShows(page, /\n\d+ \d+\n/));
      expect(Number(shown?.[1])).toBeLessThan(30);
      expect(Number(shown?.[2])).toBeLessThan(100);
      await other.close();
      await page.getByText("Shown smaller").waitFor({ state: "detached" });
    },
    SLOW,
  );

  test(
    "the hub is killed: said once, nothing typed is lost, all goes on by itself",
    async () => {
      await typeLine(page, "x=kept-over-the-kill; sleep 0.1");
      await page.getByRole("tab", { name: "forcing.py" }).click();
      await page.locator(".cm-content:visible").click();
      await page.keyboard.press("Control+End");
      const children = (await exec(["ps", "-o", "pid=,args=", "--ppid", String(hub.pid)])).stdout;
      const serve = /^\s*(\d+) .*cocalc-hub serve/m.exec(children)?.[1];
      // Its supervisor is held until the page has noticed: it is back within half a second otherwise.
      process.kill(hub.pid, "SIGSTOP");
      try {
        process.kill(Number(serve), "SIGKILL");
        await page.keyboard.type("# typed while the hub was away");
        await state("Not saved \\(offline\\)").waitFor();
      } finally {
        process.kill(hub.pid, "SIGCONT");
      }
      await settled(60_000);
      await page.getByRole("alert").waitFor({ state: "detached", timeout: 20_000 });
      expect(await inProject("tail -1 forcing.py")).toContain("typed while the hub was away");
      await page
        .getByRole("tab", { name: /user@project|Terminal/ })
        .last()
        .click();
      await until(
        "the terminal goes on",
        async () => {
          await typeLine(page, "echo $x-$((2+3))");
          await page.waitForTimeout(300);
          return (await terminalText(page)).includes("kept-over-the-kill-5");
        },
        20_000,
      );
    },
    SLOW,
  );

  test(
    "keys: the palette finds, goes and does; ? lists the keys",
    async () => {
      await page.goto(`${hub.url}/projects`);
      await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
      await page.keyboard.press("g");
      await page.keyboard.press("h");
      await page.getByRole("heading", { name: "Hosts", exact: true }).waitFor();
      await page.keyboard.press("?");
      await page.getByText("search or jump to", { exact: true }).waitFor();
      await shot(page, "keys");
      expect(await seriousProblems(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").fill("clim");
      await page.getByRole("option", { name: "climate" }).waitFor();
      await page.waitForTimeout(200);
      await shot(page, "palette");
      expect(await seriousProblems(page)).toEqual([]);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "climate", exact: true }).waitFor();
      await page.getByRole("button", { name: "Search or jump to" }).click();
      await page.getByRole("combobox").fill("stop climate");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Stop it" }).click();
      await page.getByRole("heading", { name: "This project is stopped" }).waitFor({ timeout: 30_000 });
      await shot(page, "stopped");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Start", exact: true }).first().click();
      await terminalShows(page, /\$\s*$/, 30_000);
    },
    SLOW,
  );

  test(
    "on a phone nothing sticks out, and files, terminal and keys are within reach",
    async () => {
      const phone = await browser.newContext({
        viewport: { width: 390, height: 844 },
        hasTouch: true,
        isMobile: true,
        storageState: await page.context().storageState(),
      });
      const small = await phone.newPage();
      for (const path of [
        "projects",
        "hosts",
        "health",
        "people",
        "settings",
        "audit",
        "account",
        `projects/${project}`,
      ]) {
        await small.goto(`${hub.url}/${path}`);
        await small.locator("h1").first().waitFor();
        await small.waitForTimeout(300);
        await shot(small, `phone-${path.split("/")[1] ? "project" : path}`);
        const wide = await sticksOut(small);
        expect({ path, wide }).toEqual({ path, wide: 0 });
      }
      await small.getByRole("toolbar", { name: "Keys" }).waitFor();
      await small.getByRole("button", { name: "Files" }).click();
      await small.getByRole("treeitem", { name: "forcing.py" }).waitFor();
      await shot(small, "phone-files");
      expect(await seriousProblems(small)).toEqual([]);
      await phone.close();
    },
    SLOW,
  );

  test("nothing was said on the console but that the hub was away", () =>
    expect(watched.errors.filter((text) => !/WebSocket|ERR_CONNECTION|50[0-9]/.test(text))).toEqual([]));
});
