/** What a project may have, as a person meets it: a file that is too large, and a host that has many to start. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { Project } from "../../src/contract/api.ts";
import { launch, makeAdmin, seriousProblems, shot, type Watched, watchedPage } from "../fixtures/browser.ts";
import { localGet, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
if (!CAN) console.error("SKIPPED: limits in Chromium: needs Chromium, and root for a pool and containers");
const SLOW = 120_000;
const MIB = 2 ** 20;
/** Four are started at a time. */
const MANY = 24;

describe.skipIf(!CAN)("limits, in Chromium", () => {
  const dir = mkdtempSync(join(tmpdir(), "cc-limits-"));
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  const create = (name: string) => hub.json<Project>("project", "create", "--name", name);

  beforeAll(async () => {
    hub = await startHub({ pool: true });
    browser = await launch();
    ada = await watchedPage(browser);
    await makeAdmin(ada.page, hub.setupUrl);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "a file that exceeds what is left of the quota is refused before its first byte, and the page says so",
    async () => {
      const { page } = ada;
      const { project_id } = await create("small");
      await hub.json("project", "limits", project_id, "--disk", "64M");
      await hub.json("project", "start", project_id);
      const file = join(dir, "large.bin");
      writeFileSync(file, "");
      truncateSync(file, 100 * MIB);
      let parts = 0;
      page.on("request", (request) => {
        if (request.method() === "PATCH") parts++;
      });
      await page.goto(`${hub.url}/projects/${project_id}`);
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Upload files" }).click();
      await (await chooser).setFiles(file);
      await page.getByText("1 upload failed").click();
      await page.getByText("The file does not fit into the project").waitFor();
      await page.getByText(/It has 100.0 MiB; .* MiB are free/).waitFor();
      await shot(page, "upload-over-quota");
      expect(await seriousProblems(page)).toEqual([]);
      expect(parts).toBe(0);
      expect((await hub.cli("project", "exec", project_id, "--", "ls", "large.bin")).code).not.toBe(0);
    },
    SLOW,
  );

  test(
    "who has to wait for its start is told the place in line",
    async () => {
      const { page } = ada;
      const ids: string[] = [];
      for (let n = 0; n < MANY; n++) ids.push((await create(`many ${n}`)).project_id);
      const last = ids.at(-1) as string;
      await page.goto(`${hub.url}/projects/${last}`);
      await page.getByRole("button", { name: "Start" }).first().waitFor();
      const others = ids.slice(0, -1).map((id) => hub.json("project", "start", id));
      await until(
        "a line",
        async () =>
          (await localGet<Project[]>(hub.dataDir, "/api/projects")).some(({ queue_place }) => queue_place),
        30_000,
      );
      const inLine = page.getByText(/place \d+ in line/);
      await page.getByRole("button", { name: "Start" }).first().click();
      await inLine.waitFor();
      await shot(page, "queued");
      expect(await seriousProblems(page)).toEqual([]);
      await Promise.all(others);
      await page.locator(".xterm").first().waitFor();
    },
    SLOW,
  );
});
