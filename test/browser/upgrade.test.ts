/** Versions of hosts on the hub's page, in real Chromium against a hub that really runs, by `up`: it has no units. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";
import type { Host, Project } from "../../src/contract/api.ts";
import type { HostCommand } from "../../src/contract/api-commands.ts";
import { launch, seriousProblems, shot, type Watched, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;

describe.skipIf(!CAN)("upgrades on the hub's page (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let watched: Watched;

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    watched = await watchedPage(browser);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "a machine that systemd does not run says so, with what to do, on the page and by command",
    async () => {
      const { page } = watched;
      await page.goto(hub.setupUrl);
      await page.getByLabel("Name").fill("Ada");
      await page.getByLabel("E-mail address").fill("ada@example.com");
      await page.getByLabel("Password", { exact: false }).first().fill("correct horse battery");
      await page.getByRole("button", { name: "Create account" }).click();
      await page.getByRole("heading", { name: "Hosts" }).waitFor();
      const host = await until(
        "the hub's own machine is a host",
        async () => (await hub.json<Host[]>("host", "list")).find((one) => one.state === "ready"),
        60_000,
      );
      await page.goto(`${hub.url}/hosts/${host.host_id}`);
      const section = page.getByRole("region", { name: "Version" });
      await section.getByText("hub and host: they are one installation").waitFor();
      await section.getByRole("button", { name: "Roll back" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
      await section.getByText("upgrade.no-units").waitFor({ timeout: 30_000 });
      await section.scrollIntoViewIfNeeded();
      await shot(page, "host-version-refused");
      expect(await seriousProblems(page)).toEqual([]);
      const [asked] = await hub.json<HostCommand[]>("host", "commands", host.name);
      expect(asked).toMatchObject({ kind: "rollback", state: "failed", created_by: "Ada", attempts: 1 });
      await section.getByRole("button", { name: "Upgrade the hub…" }).click();
      const dialog = page.getByRole("dialog", { name: "Upgrade the hub" });
      await dialog.getByLabel("Version").fill("--purge");
      await dialog.getByRole("button", { name: "Upgrade the hub" }).click();
      await dialog.getByText("must be a version").waitFor();
      await shot(page, "hub-upgrade-dialog");
      await dialog.getByRole("button", { name: "Cancel" }).click();
      // A project that cannot be backed up holds the upgrade up, until it is asked for without.
      const made = await hub.json<Project>("project", "create", "--name", "thesis");
      await hub.json("project", "start", made.project_id);
      await hub.json("settings", "set", "backup_path", "/proc/nowhere");
      await section.getByRole("button", { name: "Upgrade the hub…" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Upgrade the hub" }).click();
      await section.getByText("upgrade.not-backed-up").waitFor({ timeout: 60_000 });
      await section.scrollIntoViewIfNeeded();
      await shot(page, "host-version-not-backed-up");
      expect(await seriousProblems(page)).toEqual([]);
      await section.getByRole("button", { name: "Upgrade without these backups" }).click();
      await section.getByText("upgrade.no-units").waitFor({ timeout: 60_000 });
      // A 422 is what was wanted here.
      expect(watched.errors.filter((one) => !/status of 422/.test(one))).toEqual([]);
    },
    SLOW,
  );
});
