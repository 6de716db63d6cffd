/**
 * A file that goes away while it is edited or looked at: removed, replaced by a folder, renamed. The page says it, and
 * what was typed goes back into a file. In Plus, whose folder the test itself changes; needs Chromium.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { looks, seriousProblems } from "../fixtures/browser.ts";
import { openPlus } from "../fixtures/plus-lab.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 180_000;
const PATIENCE_MS = 30_000;

describe.skipIf(!CAN)("files that vanish, in Chromium (needs Chromium)", () => {
  let plus: Awaited<ReturnType<typeof openPlus>>;
  let page: Page;
  const at = (name: string) => plus.at(name);
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
    plus = await openPlus((dir) => {
      writeFileSync(join(dir, "poem.md"), "# first\nline\n");
      writeFileSync(join(dir, "other.txt"), "stays\n");
    });
    ({ page } = plus);
    await page.getByRole("treeitem").filter({ hasText: "poem.md" }).click();
    await page.locator(".cm-content:visible").waitFor();
  }, SLOW);
  afterAll(() => plus?.stop(), SLOW);

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
      await trouble("There is a folder where this file was");
      await typed("Kept. ");
      await state("Not saved");
      expect(await page.getByRole("button", { name: "Save", exact: true }).isDisabled()).toBe(true);
      await looks(page, "editing-folder");
      expect(await seriousProblems(page)).toEqual([]);
      rmdirSync(at("poem.md"));
      await trouble("This file is no longer there");
      await page.getByRole("button", { name: "Save it anew" }).click();
      await state("Saved");
      expect(text("poem.md")).toBe("Kept. Still here. # first\nline\n");
    },
    SLOW,
  );

  test(
    "a folder in its place: the text is there after a reload too, and goes into a file of another name",
    async () => {
      rmSync(at("poem.md"));
      mkdirSync(at("poem.md"));
      await trouble("There is a folder where this file was");
      await typed("Typed. ");
      await state("Not saved");
      await page.waitForTimeout(1_000);
      await page.reload();
      await trouble("There is a folder where this file was");
      await page.locator(".cm-content:visible").getByText("Typed. Kept.").waitFor();
      const saveAs = async (name: string | undefined) => {
        await page.getByRole("button", { name: "Save under another name" }).click();
        const field = page.getByLabel("File, as seen from the home folder");
        expect(await field.inputValue()).toBe("poem (2).md");
        if (name !== undefined) await field.fill(name);
        await page.getByRole("button", { name: "Save it there" }).click();
      };
      await saveAs("other.txt");
      await trouble("There is something of that name already");
      expect(text("other.txt")).toBe("stays\n");
      await looks(page, "editing-taken");
      await saveAs("other.txt/x.md");
      await trouble("A part of the path is no folder");
      await saveAs("sub/verse.md");
      await page.getByRole("tab", { name: "verse.md" }).waitFor();
      await state("Saved");
      expect(text("sub/verse.md")).toBe("Typed. Kept. Still here. # first\nline\n");
      expect(readdirSync(at("poem.md"))).toEqual([]);
      await typed("More. ");
      await state("Saved");
      expect(text("sub/verse.md")).toStartWith("More. Typed.");
      // The folder goes and a file comes: nothing of the other is in it.
      rmdirSync(at("poem.md"));
      renameSync(at("sub/verse.md"), at("poem.md"));
      rmdirSync(at("sub"));
      await trouble("This file is no longer there");
      await page.getByRole("tab", { name: "verse.md" }).press("Delete");
      await page.getByRole("treeitem").filter({ hasText: "poem.md" }).click();
      await page.locator(".cm-content:visible").getByText("More. Typed.").waitFor();
      await state("Saved");
      expect(text("poem.md")).toBe("More. Typed. Kept. Still here. # first\nline\n");
    },
    SLOW,
  );

  test(
    "a picture in its place, and a file where its folder was: the text goes over it, or elsewhere",
    async () => {
      writeFileSync(at("new"), Uint8Array.of(0, 1, 2, 0xff));
      renameSync(at("new"), at("poem.md"));
      await trouble("poem.md is no text");
      await typed("Over. ");
      await state("Not saved");
      await looks(page, "editing-binary");
      await page.getByRole("button", { name: "Write mine over it" }).click();
      await state("Saved");
      expect(text("poem.md")).toStartWith("Over. More.");
      mkdirSync(at("place"));
      writeFileSync(at("place/song.md"), "song\n");
      await page.getByRole("treeitem").filter({ hasText: "place" }).click();
      await page.getByRole("treeitem").filter({ hasText: "song.md" }).click();
      await page.locator(".cm-content:visible").getByText("song").waitFor();
      rmSync(at("place"), { recursive: true });
      writeFileSync(at("place"), "no folder\n");
      await trouble("The folder that this file was in is a folder no more");
      await typed("Sung. ");
      await state("Not saved");
      await page.getByRole("button", { name: "Save under another name" }).click();
      await page.getByLabel("File, as seen from the home folder").fill("song.md");
      await page.getByRole("button", { name: "Save it there" }).click();
      await page.getByRole("tab", { name: "song.md" }).waitFor();
      await state("Saved");
      expect(text("song.md")).toBe("Sung. song\n");
      expect(text("place")).toBe("no folder\n");
      await page.getByRole("tab", { name: "song.md" }).press("Delete");
      await page.getByRole("tab", { name: "poem.md" }).click();
      writeFileSync(at("poem.md"), "Kept. Still here. # first\nline\n");
      await page.locator(".cm-content:visible").getByText("Kept. Still here.").waitFor();
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
