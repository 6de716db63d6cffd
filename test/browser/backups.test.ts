/** Backups in a browser: first steps up to a file that came back, then and now, a second project, away and back. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { Project } from "../../src/contract/api.ts";
import { launch, looks, makeAdmin, seriousProblems, type Watched, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") && whyNoBackups() === undefined;
if (!CAN) console.error(`SKIPPED: backups in Chromium: ${whyNoBackups() ?? "needs Chromium"}`);
const SLOW = 180_000;
const WAIT = { timeout: 60_000 };

describe.skipIf(!CAN)("backups, in Chromium", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let project: Project;
  const sh = (command: string) => hub.cli("project", "exec", project.project_id, "--", "sh", "-c", command);

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    ada = await watchedPage(browser);
    ada.page.setDefaultTimeout(WAIT.timeout);
    await makeAdmin(ada.page, hub.setupUrl);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "first steps: a machine, a project, a proven backup, and a file out of it that is the same",
    async () => {
      const { page } = ada;
      await page.goto(`${hub.url}/first-steps`);
      await page.getByRole("button", { name: "Make a first project" }).click();
      await page.getByRole("button", { name: "Back it up" }).waitFor();
      [project] = (await hub.json<Project[]>("project", "list")) as [Project];
      expect(
        (await sh("mkdir -p notes; echo one > notes/a; echo kept > kept.txt; seq 99 > lines")).code,
      ).toBe(0);
      await page.getByRole("button", { name: "Back it up" }).click();
      await page.getByRole("button", { name: "Bring a file back and compare it" }).click();
      await page.getByRole("button", { name: "Compare again" }).waitFor();
      await page.getByText("kept.txt, 5 B").waitFor();
      expect(await seriousProblems(page)).toEqual([]);
      await looks(ada.page, "first-steps");
    },
    SLOW,
  );

  test(
    "a backup's folders beside what is there now",
    async () => {
      const { page } = ada;
      expect((await sh("rm kept.txt; echo two >> lines")).code).toBe(0);
      await page.goto(`${hub.url}/projects/${project.project_id}/backups`);
      const row = (name: string) => page.getByRole("row").filter({ hasText: name });
      await row("kept.txt").getByText("deleted since").waitFor();
      await row("lines").getByText("changed").waitFor();
      await row("notes").getByText("there").waitFor();
      await row("notes").getByRole("button", { name: "notes" }).click();
      await row("a").getByText("same").waitFor();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        row("a").getByRole("link", { name: "Download a as it was" }).click(),
      ]);
      expect([download.suggestedFilename(), await Bun.file(await download.path()).text()]).toEqual([
        "a",
        "one\n",
      ]);
      expect(await seriousProblems(page)).toEqual([]);
      await looks(ada.page, "backups-then-now");
    },
    SLOW,
  );

  test(
    "a second project from its backup; put away, and brought back",
    async () => {
      const { page } = ada;
      const choose = async (what: string) => {
        await page.getByRole("button", { name: "Move, clone, archive" }).click();
        await page.getByRole("menuitem", { name: what }).click();
      };
      await page.goto(`${hub.url}/projects/${project.project_id}/backups`);
      await choose("Make a second project with its files");
      await page.getByLabel("Its name").fill("twin");
      await looks(ada.page, "clone-dialog");
      await page.getByRole("dialog").getByRole("button", { name: "Make a second project" }).click();
      const twin = await until(
        "the twin is whole",
        async () =>
          (await hub.json<Project[]>("project", "list")).find(
            (one) => one.name === "twin" && one.state === "stopped",
          ),
        120_000,
      );
      await choose("Archive it");
      await page.getByRole("dialog").getByRole("button", { name: "Archive it" }).click();
      await until(
        "it is archived",
        async () =>
          (await hub.json<Project>("project", "show", project.project_id)).state === "archived" || undefined,
        120_000,
      );
      await page.goto(`${hub.url}/projects/${project.project_id}`);
      await page.getByRole("heading", { name: "This project is archived" }).waitFor();
      await looks(ada.page, "archived");
      await page.getByRole("button", { name: "Bring it back" }).click();
      await page.getByRole("heading", { name: "This project is stopped" }).waitFor();
      for (const one of [project, twin]) {
        await hub.json("project", "start", one.project_id);
        const ran = await hub.cli("project", "exec", one.project_id, "--", "cat", "notes/a");
        expect(ran.stdout).toBe("one\n");
      }
    },
    SLOW,
  );

  test(
    "the host's drawer says how its projects stand",
    async () => {
      const { page } = ada;
      const [host] = await hub.json<{ host_id: string }[]>("host", "list");
      await page.goto(`${hub.url}/hosts/${host?.host_id}`);
      await page.getByText(/\d of \d projects? proven/).waitFor();
      // The list behind the drawer is wider.
      await looks(ada.page, "host-drawer-backups");
    },
    SLOW,
  );

  test(
    "a proven backup that is too old is told on the pages of its project, its host, all backups and health, by doctor and in the metrics",
    async () => {
      const { page } = ada;
      await hub.json("settings", "set", "backup_every_minutes", "10080");
      const db = new Database(join(hub.dataDir, "launchpad/hub.sqlite"));
      db.run("pragma busy_timeout = 5000");
      const then = new Date(Date.now() - 3 * 86_400_000).toISOString();
      db.run("update backups set started_at = ? where project_id = ?", [then, project.project_id]);
      db.close();
      expect((await sh("echo later > later")).code).toBe(0);
      const words = `The last proven backup of ${project.name} is 3 days old`;
      await page.goto(`${hub.url}/projects/${project.project_id}/backups`);
      await page.getByRole("alert").filter({ hasText: words }).waitFor();
      await looks(page, "project-backups-alarm");
      const [host] = await hub.json<{ host_id: string }[]>("host", "list");
      await page.goto(`${hub.url}/hosts/${host?.host_id}`);
      await page.getByRole("alert").filter({ hasText: words }).waitFor();
      await page.goto(`${hub.url}/backups`);
      await page.getByRole("alert").filter({ hasText: words }).waitFor();
      await page.goto(`${hub.url}/health`);
      await page.getByRole("button", { name: "Check all now" }).click();
      await page.getByText(words).first().waitFor({ timeout: 90_000 });
      await looks(page, "health-alarm");
      const report = await hub.cli("doctor");
      expect(report.stdout + report.stderr).toContain(words);
      const metrics = await fetch("http://localhost/api/metrics", {
        unix: join(hub.dataDir, "launchpad/run/hub.sock"),
      });
      const age = new RegExp(`cocalc_backup_proven_age_seconds\\{[^}]*${project.project_id}[^}]*\\} (\\d+)`);
      expect(Number(age.exec(await metrics.text())?.[1])).toBeGreaterThan(2 * 86_400);
      await hub.json("settings", "set", "backup_every_minutes", "60");
    },
    SLOW,
  );
});
