/** The project as it was, in a browser: points in time, compared with now, put back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";
import { launch, makeAdmin, seriousProblems, shot, type Watched, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") && whyNoPool() === undefined;
const SLOW = 120_000;

describe.skipIf(!CAN)("snapshots, in Chromium (needs root, btrfs and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let project: string;
  const sh = async (command: string) =>
    (await hub.cli("project", "exec", project, "--", "sh", "-c", command)).stdout.trim();

  beforeAll(async () => {
    hub = await startHub({ pool: true });
    browser = await launch();
    ada = await watchedPage(browser);
    await makeAdmin(ada.page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "thesis",
    ));
    await hub.json("project", "start", project);
    await sh(
      "cd; mkdir -p runs notes; echo one >notes/a; echo first >thesis.tex; seq 1000 >runs/data; echo same >kept",
    );
    await hub.json("snapshot", "create", project);
    await sh("cd; echo two >>notes/a; rm -r runs; echo second >thesis.tex; echo x >'fresh file'");
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "what differs is seen, what is chosen is put back, and how it was until then is a snapshot too",
    async () => {
      const { page } = ada;
      await page.goto(`${hub.url}/projects/${project}/snapshots`);
      const row = (name: string) => page.getByRole("row").filter({ hasText: name });
      await row("runs").getByText("deleted since").waitFor();
      await row("notes").getByText("1 difference").waitFor();
      await row("thesis.tex").getByText("changed").waitFor();
      await row("kept").getByText("same").waitFor();
      await page.getByText("New since then: fresh file").waitFor();
      await page.getByText("Live files").waitFor();
      await shot(page, "snapshots-light");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByLabel("Choose runs").check();
      await page.getByLabel("Choose thesis.tex").check();
      await page.getByRole("button", { name: "Put back 2 items" }).click();
      await row("thesis.tex").getByText("same").waitFor();
      expect(await sh("cd; cat thesis.tex notes/a; wc -l <runs/data")).toBe("first\none\ntwo\n1000");
      await page.getByText("before a restore").waitFor();
      await row("notes").getByRole("button", { name: "notes" }).click();
      await row("a").getByText("changed").waitFor();
      await page.emulateMedia({ colorScheme: "dark" });
      await shot(page, "snapshots-dark");
      await page.setViewportSize({ width: 390, height: 844 });
      await shot(page, "snapshots-phone");
      await page.setViewportSize({ width: 1440, height: 900 });
      const list = await hub.json<{ snapshots: { name: string; kind: string }[] }>(
        "snapshot",
        "list",
        project,
      );
      expect(list.snapshots.map(({ kind }) => kind).toSorted()).toEqual(["manual", "safety"]);
      const manual = list.snapshots.find(({ kind }) => kind === "manual")?.name ?? "";
      expect((await hub.cli("snapshot", "diff", project, manual)).stdout).toContain("M notes/a");
      await hub.json("snapshot", "restore", project, manual, "--all");
      // It was stopped for that, and starts again.
      const back = await until(
        "it runs again",
        async () => (await sh("cd; cat notes/a; ls")) || undefined,
        30_000,
      );
      expect(back).toBe("one\nkept\nnotes\nruns\nthesis.tex");
    },
    SLOW,
  );

  test(
    "the host's drawer tells of the pool",
    async () => {
      await ada.page.emulateMedia({ colorScheme: "light" });
      await ada.page.goto(`${hub.url}/hosts`);
      await ada.page.getByRole("row").nth(1).click();
      await ada.page.getByText("btrfs, sparse; snapshots every quarter of an hour").waitFor();
      await shot(ada.page, "host-pool-light");
    },
    SLOW,
  );

  test(
    "what the disk holds is seen under Usage, and its limit set there",
    async () => {
      const { page } = ada;
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.emulateMedia({ colorScheme: "light" });
      await page.goto(`${hub.url}/projects/${project}/usage`);
      const disk = page.getByRole("region", { name: "Disk" });
      await disk.getByText(/^20\.0 GiB, .* free$/).waitFor();
      await page.getByLabel("Disk, GiB").fill("3");
      await page.getByRole("button", { name: "Save" }).click();
      await disk.getByText(/^3\.0 GiB, .* free$/).waitFor();
      await shot(page, "usage-disk-light");
      expect(await seriousProblems(page)).toEqual([]);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.setViewportSize({ width: 390, height: 844 });
      await shot(page, "usage-disk-phone");
      const now = await hub.json<{ limits: { disk_bytes: number } }>("project", "show", project);
      expect(now.limits.disk_bytes).toBe(3 * 2 ** 30);
    },
    SLOW,
  );
});
