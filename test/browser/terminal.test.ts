/** A terminal as people use it, in Chromium: links, copy and paste, and a laptop that slept. In Plus. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { terminalShows, typeLine } from "../fixtures/browser.ts";
import { openPlus } from "../fixtures/plus-lab.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { until } from "../fixtures/running-hub.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 180_000;
/** A line that says nothing for so long is given up by either side. */
const SLEEP_MS = 50_000;

describe.skipIf(!CAN)("a terminal in Chromium (needs Chromium)", () => {
  let plus: Awaited<ReturnType<typeof openPlus>>;
  let page: Page;
  /** Where its text is, which xterm covers with what takes the pointer. */
  const placeOf = async (text: string): Promise<[number, number]> => {
    const row = page.locator(".xterm-rows:visible > div").filter({ hasText: text }).last();
    const box = await row.boundingBox();
    if (box === null) throw new Error(`nothing says ${text}`);
    return [box.x + 30, box.y + box.height / 2];
  };

  beforeAll(async () => {
    plus = await openPlus(() => {});
    ({ page } = plus);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await terminalShows(page, /[$#]\s*$/, 60_000);
  }, SLOW);
  afterAll(() => plus?.stop(), SLOW);

  test(
    "a link opens beside, without a way back to this page; one that is no web address does not",
    async () => {
      const { origin } = new URL(page.url());
      await typeLine(page, `clear; echo ${origin}/help-$((40+2))`);
      await terminalShows(page, /^http\S+\/help-42/m);
      const opened = page.context().waitForEvent("page");
      await page.mouse.move(...(await placeOf("/help-42")), { steps: 5 });
      await page.mouse.click(...(await placeOf("/help-42")));
      const tab = await opened;
      expect(tab.url()).toEndWith("/help-42");
      expect(await tab.evaluate(() => window.opener === null)).toBe(true);
      await tab.close();
      await typeLine(
        page,
        "clear; printf '\\033]8;;javascript:alert(1)\\033\\\\press-%s\\033]8;;\\033\\\\\\n' me",
      );
      await terminalShows(page, /^press-me/m);
      const before = page.context().pages().length;
      await page.mouse.move(...(await placeOf("press-me")), { steps: 5 });
      await page.mouse.click(...(await placeOf("press-me")));
      await page.waitForTimeout(500);
      expect(page.context().pages().length).toBe(before);
    },
    SLOW,
  );

  test(
    "what is chosen is copied with Ctrl C, which then is the program's again; what is pasted is not run by itself",
    async () => {
      await typeLine(page, "clear; echo chosen-$((40+2))");
      await terminalShows(page, /^chosen-42/m);
      await page.mouse.dblclick(...(await placeOf("chosen-42")));
      await page.keyboard.press("Control+c");
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("chosen-42");
      await typeLine(page, "clear; echo ready-$((40+2)); cat > pasted");
      // By then the shell has given up its own mode of pasting.
      await terminalShows(page, /^ready-42/m);
      await page.keyboard.press("Shift+Insert");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Control+d");
      await until(
        "it is pasted",
        async () =>
          existsSync(plus.at("pasted")) && readFileSync(plus.at("pasted"), "utf8") === "chosen-42\n",
        10_000,
      );
      await page.evaluate(() => navigator.clipboard.writeText("touch one\ntouch two\n"));
      await page.keyboard.press("Shift+Insert");
      await terminalShows(page, /touch two/);
      await page.waitForTimeout(500);
      expect([existsSync(plus.at("one")), existsSync(plus.at("two"))]).toEqual([false, false]);
      await page.keyboard.press("Control+c");
      await typeLine(page, "sleep 100");
      await page.keyboard.press("Control+c");
      await typeLine(page, "echo ended-$?");
      await terminalShows(page, /^ended-130/m);
    },
    SLOW,
  );

  test(
    "a laptop that slept: the line is long dead, the terminal goes on, with what came meanwhile",
    async () => {
      await typeLine(page, "clear; for i in 1 2 3 4; do sleep 12; echo tick-$i; done; echo woke-$((40+2))");
      const asleep = descendantsOf(process.pid).filter(({ argv }) => argv[0]?.includes("chrom"));
      expect(asleep.length).toBeGreaterThan(2);
      for (const { pid } of asleep) process.kill(pid, "SIGSTOP");
      try {
        await Bun.sleep(SLEEP_MS);
      } finally {
        for (const { pid } of asleep) process.kill(pid, "SIGCONT");
      }
      await terminalShows(page, /tick-1\s+tick-2\s+tick-3\s+tick-4\s+woke-42/, 30_000);
      await typeLine(page, "echo here-$((40+2))");
      await terminalShows(page, /^here-42/m, 30_000);
    },
    SLOW,
  );
});
