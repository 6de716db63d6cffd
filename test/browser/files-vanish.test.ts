/**
 * A file that goes away while it is edited or looked at: removed, replaced by a folder, renamed. The page says it, and
 * what was typed goes back into a file. In Plus, whose folder the test itself changes; needs Chromium.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { cleanEnv } from "../../src/core/exec.ts";
import { launch, looks, seriousProblems, watchedPage } from "../fixtures/browser.ts";
import { buildOnce, freeBasePort, HUB_BINARY, until } from "../fixtures/running-hub.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 180_000;
const PATIENCE_MS = 30_000;

describe.skipIf(!CAN)("files that vanish, in Chromium (needs Chromium)", () => {
  let base: string;
  let proc: ReturnType<typeof Bun.spawn> | undefined;
  let browser: Browser;
  let page: Page;
  const at = (name: string) => join(base, "work", name);
  const text = (name: string) => readFileSync(at(name), "utf8");
  const state = (word: string) =>
    page
      .locator('.status:visible [role="status"]', { hasText: new RegExp(`^${word}$`) })
      .waitFor({ timeout: PATIENCE_MS });
  const typed = async (what: string) => {
    await page.locator(".cm-content:visible").click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.type(what);
  };
  const trouble = (what: string) =>
    page.locator(".trouble:visible").getByText(what).first().waitFor({ timeout: PATIENCE_MS });
  const says = (what: string) => page.getByText(what).first().waitFor({ timeout: PATIENCE_MS });

  beforeAll(async () => {
    await buildOnce();
    base = mkdtempSync(join(tmpdir(), "cc-vanish-"));
    mkdirSync(join(base, "work"));
    writeFileSync(at("poem.md"), "# first\nline\n");
    writeFileSync(at("other.txt"), "stays\n");
    const started = Bun.spawn(
      [
        ...[HUB_BINARY, "plus", join(base, "work"), "--data-dir", join(base, "data")],
        ...["--base-port", String(freeBasePort())],
      ],
      { cwd: "/", env: cleanEnv({ HOME: base }), stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    proc = started;
    let said = "";
    void (async () => {
      for await (const chunk of started.stdout) said += new TextDecoder().decode(chunk);
    })();
    const url = await until(
      "Plus prints its address",
      async () => /(http:\/\/localhost:\d+\/open\?token=\S+)/.exec(said)?.[1],
      PATIENCE_MS,
    );
    browser = await launch();
    ({ page } = await watchedPage(browser));
    await page.goto(url);
    await page.getByRole("treeitem").filter({ hasText: "poem.md" }).click();
    await page.locator(".cm-content:visible").waitFor();
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    proc?.kill("SIGINT");
    await proc?.exited;
    if (base) rmSync(base, { recursive: true, force: true });
  }, SLOW);

  test(
    "edited: removed, or a folder in its place; the text is kept and makes the file anew",
    async () => {
      rmSync(at("poem.md"));
      await trouble("This file is no longer there");
      await typed("Still here. ");
      await state("Not saved");
      await looks(page, "editing-gone");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Save it anew" }).click();
      await state("Saved");
      expect(text("poem.md")).toBe("Still here. # first\nline\n");
      rmSync(at("poem.md"));
      mkdirSync(at("poem.md"));
      await trouble("That is a folder");
      await typed("Kept. ");
      await state("Not saved");
      await looks(page, "editing-folder");
      rmdirSync(at("poem.md"));
      await trouble("This file is no longer there");
      await page.getByRole("button", { name: "Save it anew" }).click();
      await state("Saved");
      expect(text("poem.md")).toBe("Kept. Still here. # first\nline\n");
    },
    SLOW,
  );

  test(
    "renamed on the page, the tab goes along; looked at, it says that it is gone, or a folder, and comes back",
    async () => {
      const item = page.getByRole("treeitem").filter({ hasText: "poem.md" });
      await item.click();
      await item.press("F2");
      await page.getByLabel("New name").fill("ode.md");
      await page.getByRole("button", { name: "Rename" }).click();
      await page.getByRole("tab", { name: "ode.md" }).waitFor();
      await page.locator(".cm-content:visible").waitFor();
      await typed("Ode. ");
      await state("Saved");
      expect(text("ode.md")).toBe("Ode. Kept. Still here. # first\nline\n");
      expect(existsSync(at("poem.md"))).toBe(false);
      await page.getByText("Preview", { exact: true }).click();
      const preview = page.frameLocator('iframe[title="ode.md"]').getByText("Ode.").first();
      await preview.waitFor();
      renameSync(at("ode.md"), at("away.md"));
      await says("There is no such file or folder");
      await looks(page, "preview-gone");
      mkdirSync(at("ode.md"));
      await says("ode.md is a folder now");
      rmdirSync(at("ode.md"));
      renameSync(at("away.md"), at("ode.md"));
      await preview.waitFor({ timeout: PATIENCE_MS });
      await page.getByText("Edit", { exact: true }).click();
      await state("Saved");
    },
    SLOW,
  );
});
