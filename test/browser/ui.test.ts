/** What a newcomer does in the browser, in real Chromium against a hub that really runs. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import {
  launch,
  seriousProblems,
  shot,
  terminalText,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;

describe.skipIf(!CAN)("the UI in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let watched: Watched;
  let page: Page;

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    watched = await watchedPage(browser);
    page = watched.page;
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "the printed URL makes the admin account, and this machine turns up as a ready host",
    async () => {
      await page.goto(hub.setupUrl);
      await page.getByLabel("Name").fill("Ada");
      await page.getByLabel("E-mail address").fill("ada@example.com");
      await page.getByLabel("Password", { exact: false }).first().fill("correct horse battery");
      await shot(page, "setup");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Create account" }).click();
      await page.getByRole("heading", { name: "Hosts" }).waitFor();
      await page.getByText("Ready", { exact: true }).first().waitFor({ timeout: 30_000 });
      await shot(page, "hosts");
      expect(await seriousProblems(page)).toEqual([]);
    },
    SLOW,
  );

  test(
    "a project: a terminal with a prompt, what is typed is run, and a reload keeps it",
    async () => {
      await page.goto(`${hub.url}/projects`);
      await page.getByRole("button", { name: "Make the first project" }).click();
      await page.getByRole("textbox", { name: "Name" }).fill("climate");
      await page.getByRole("button", { name: "Create and open" }).click();
      await page.locator(".xterm-helper-textarea").first().waitFor({ state: "attached", timeout: 30_000 });
      await page.waitForFunction(
        () =>
          /[$#]\s*$/.test(
            [...document.querySelectorAll(".xterm-rows > div")]
              .map((row) => row.textContent?.trim())
              .filter(Boolean)
              .join("\n"),
          ),
        undefined,
        { timeout: 15_000 },
      );
      await page.locator(".xterm-helper-textarea").first().focus();
      await page.keyboard.type("echo kept-$((40+2)) && touch made-by-terminal.txt\n");
      await page.waitForFunction(
        () => document.querySelector(".xterm-rows")?.textContent?.includes("kept-42"),
        undefined,
        { timeout: 10_000 },
      );
      await page.getByText("made-by-terminal.txt", { exact: true }).waitFor({ timeout: 10_000 });
      await shot(page, "workspace");
      expect(await seriousProblems(page)).toEqual([]);
      await page.reload();
      await page.waitForFunction(
        () => document.querySelector(".xterm-rows")?.textContent?.includes("kept-42"),
        undefined,
        { timeout: 15_000 },
      );
      expect(await terminalText(page)).toContain("kept-42");
    },
    SLOW,
  );

  test(
    "a file is opened, edited, saved, and the terminal sees it",
    async () => {
      await page.getByText("made-by-terminal.txt", { exact: true }).click();
      await page.locator(".cm-content").click();
      await page.keyboard.type("written in the editor");
      await page.keyboard.press("Control+s");
      const [project] = await hub.json<{ project_id: string }[]>("project", "list");
      const cat = ["project", "exec", project?.project_id ?? "", "--", "cat", "made-by-terminal.txt"];
      await until(
        "it is in the file",
        async () => (await hub.cli(...cat)).stdout === "written in the editor",
        30_000,
      );
      await page.locator('.status:visible [role="status"]', { hasText: /^Saved$/ }).waitFor();
      await shot(page, "editor");
    },
    SLOW,
  );

  test(
    "a web server started in the terminal is offered, and opens on an origin of its own",
    async () => {
      await page
        .getByRole("tab")
        .filter({ hasText: /Terminal|user@|~/ })
        .first()
        .click();
      await page.locator(".xterm-helper-textarea").first().focus();
      await page.keyboard.type("python3 -m http.server 8000\n");
      const link = page.getByRole("link", { name: /8000/ });
      await link.waitFor({ timeout: 15_000 });
      const [opened] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
      await opened.getByText("made-by-terminal.txt").waitFor({ timeout: 15_000 });
      await shot(opened, "proxied");
      const url = new URL(opened.url());
      expect(url.hostname).toEndWith(".localhost");
      expect(url.port).toBe(String(hub.basePort + 4));
      expect(url.search).toBe("");
      expect(await opened.evaluate(() => document.cookie)).not.toContain("cocalc");
      const nothing = await page.context().newPage();
      const answer = await nothing.goto(opened.url().replace("/8000/", "/8001/"));
      expect(answer?.status()).toBe(502);
      await nothing.getByText("Nothing listens on port 8001").waitFor();
      await shot(nothing, "nothing-listens");
      await nothing.close();
      await opened.close();
    },
    SLOW,
  );

  test(
    "fifty projects of one host are one socket to it",
    async () => {
      for (let n = 0; n < 49; n++) await hub.json("project", "create", "--name", `many-${n}`);
      await page.goto(`${hub.url}/projects`);
      watched.sockets.length = 0;
      const all = await hub.json<{ project_id: string; host_id: string; name: string }[]>("project", "list");
      expect(all.length).toBe(50);
      for (const project of all) {
        await page.evaluate((path) => {
          history.pushState(null, "", path);
          dispatchEvent(new PopStateEvent("popstate"));
        }, `/projects/${project.project_id}`);
        await page.getByRole("heading", { name: project.name, exact: true }).waitFor({ timeout: 10_000 });
      }
      await page.locator(".xterm").first().waitFor({ timeout: 15_000 });
      const toHost = watched.sockets.filter((path) => path === `/${all[0]?.host_id}/conat`);
      expect(toHost.length).toBe(1);
    },
    SLOW,
  );

  test(
    "every page of the administration is there, live, and clean, light and dark",
    async () => {
      for (const [path, heading] of [
        ["projects", "Projects"],
        ["health", "Health"],
        ["people", "People"],
        ["settings", "Settings"],
        ["audit", "Audit log"],
        ["account", "Account"],
      ] as const) {
        await page.goto(`${hub.url}/${path}`);
        await page.getByRole("heading", { name: heading, exact: true }).waitFor();
        if (path === "health") {
          await page.getByRole("button", { name: "Check all now" }).click();
          await page.getByText("Container runtime").waitFor({ timeout: 30_000 });
        }
        for (const scheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme: scheme });
          await page.waitForTimeout(150);
          await shot(page, `${path}-${scheme}`);
          expect(await seriousProblems(page)).toEqual([]);
        }
      }
      await page.goto(`${hub.url}/hosts`);
      await page.getByRole("button", { name: "Add a machine" }).click();
      await page.getByText("Works once").waitFor();
      await shot(page, "add-machine");
      expect(await page.locator("pre").first().textContent()).toContain("--pinnedpubkey");
    },
    SLOW,
  );

  test("nothing was said on the console", () =>
    expect(watched.errors.filter((text) => !/50[0-9]|Bad Gateway/.test(text))).toEqual([]));
});
