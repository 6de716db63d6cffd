/** Names that mean harm or are no text, in Chromium: each is one row, opens, is saved as itself, and is found. In Plus. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { looks, seriousProblems } from "../fixtures/browser.ts";
import { openPlus } from "../fixtures/plus-lab.ts";
import { until } from "../fixtures/running-hub.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 180_000;
const PATIENCE_MS = 30_000;

const NAMES = {
  newline: Buffer.from("two\nlines.txt"),
  dash: Buffer.from("-rf"),
  long: Buffer.from(`${"x".repeat(251)}.txt`),
  latin: Buffer.from("caf\xe9.txt", "latin1"),
  shell: Buffer.from("$(touch owned); 'q' \"d\" `b`.txt"),
  markup: Buffer.from("<img src=x onerror=alert(1)>.txt"),
  override: Buffer.from("gpj.\u202etxt.exe"),
  space: Buffer.from(" "),
};

describe.skipIf(!CAN)("names of files, in Chromium (needs Chromium)", () => {
  let plus: Awaited<ReturnType<typeof openPlus>>;
  let page: Page;
  const path = (name: Buffer) => Buffer.concat([Buffer.from(`${plus.at(".")}/`), name]);
  const rows = () => page.getByRole("treeitem");
  const row = (text: RegExp) => rows().filter({ hasText: text });
  const saved = () =>
    page.locator('.status:visible [role="status"]', { hasText: /^Saved$/ }).waitFor({ timeout: PATIENCE_MS });

  beforeAll(async () => {
    plus = await openPlus((dir) => {
      for (const [kind, name] of Object.entries(NAMES))
        writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), name]), `text of ${kind}\n`);
      writeFileSync(`${dir}/blob.bin`, Uint8Array.of(0x7f, 0x45, 0, 0xff, 0xfe));
    });
    ({ page } = plus);
    await rows().first().waitFor();
  }, SLOW);
  afterAll(() => plus?.stop(), SLOW);

  test(
    "each is a row of its own; opened, what is typed is in that file and in no other",
    async () => {
      expect(await rows().count()).toBe(Object.keys(NAMES).length + 1);
      await looks(page, "names");
      expect(await seriousProblems(page)).toEqual([]);
      for (const [kind, text] of [
        ["newline", /^two␣lines\.txt/],
        ["dash", /^-rf/],
        ["long", /^x{251}\.txt/],
        ["latin", /^caf.\.txt/],
        ["shell", /touch owned/],
        ["markup", /onerror/],
        ["override", /gpj/],
        ["space", /^␣/],
      ] as const) {
        await row(text).click();
        await page.locator(".cm-content:visible").getByText(`text of ${kind}`).waitFor();
        await page.locator(".cm-content:visible").click();
        await page.keyboard.press("Control+Home");
        await page.keyboard.type("new ");
        await until(
          `${kind} is saved`,
          async () => readFileSync(path(NAMES[kind]), "utf8") === `new text of ${kind}\n`,
          PATIENCE_MS,
        );
        await saved();
      }
      expect(readdirSync(plus.at("."), { encoding: "buffer" }).length).toBe(Object.keys(NAMES).length + 1);
      expect(existsSync(plus.at("owned"))).toBe(false);
    },
    SLOW,
  );

  test(
    "what is no text says so and offers itself for download",
    async () => {
      await row(/blob\.bin/).click();
      await page.locator(".trouble:visible").getByText("blob.bin is no text").waitFor();
      const coming = page.waitForEvent("download");
      await page
        .getByRole("link", { name: /Download/ })
        .first()
        .click();
      expect((await coming).suggestedFilename()).toBe("blob.bin");
    },
    SLOW,
  );

  test(
    "found by name; deleted and put back as it was; packed as zip and as tar",
    async () => {
      await page.getByRole("button", { name: "Search in files" }).click();
      await page.getByLabel("Part of a name").fill("LINES");
      await page.getByRole("button", { name: /two␣lines\.txt/ }).waitFor();
      await looks(page, "names-search");
      await page.getByRole("button", { name: "Close the search" }).click();
      for (const name of ["newline", "latin", "dash"] as const) {
        const text = { newline: /^two␣lines/, latin: /^caf/, dash: /^-rf/ }[name];
        await row(text).click();
        await row(text).press("Delete");
        await until(`${name} is away`, async () => !existsSync(path(NAMES[name])), PATIENCE_MS);
        await page.getByRole("button", { name: "Undo" }).last().click();
        await until(`${name} is back`, async () => existsSync(path(NAMES[name])), PATIENCE_MS);
        await row(text).waitFor();
      }
      await row(/^two␣lines/).click();
      await row(/^-rf/).click({ modifiers: ["Control"] });
      for (const kind of ["zip", "tar"]) {
        await row(/^-rf/).click({ button: "right" });
        const coming = page.waitForEvent("download");
        await page.getByRole("menuitem", { name: `Download as ${kind}` }).click();
        const got = await coming;
        expect(got.suggestedFilename()).toEndWith(`.${kind}`);
        const bytes = readFileSync(await got.path());
        for (const name of ["newline", "dash"] as const) expect(bytes.includes(NAMES[name])).toBe(true);
      }
    },
    SLOW,
  );
});
