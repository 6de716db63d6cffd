/**
 * What is on a host's disk, in Chromium: its own programs, chosen as an image, and the projects of an earlier stay,
 * adopted or wiped, and never by accident.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { Host, Project } from "../../src/contract/api.ts";
import type { Image } from "../../src/contract/api-images.ts";
import { execOk } from "../../src/core/exec.ts";
import { launch, looks, makeAdmin, seriousProblems, type Watched, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") && process.getuid?.() === 0;
if (!CAN) console.error("SKIPPED: a host's disk in Chromium: needs Chromium, and root for containers");
const SLOW = 180_000;

describe.skipIf(!CAN)("what is on a host's disk, in Chromium", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let host: Host;
  const projects = () => hub.json<Project[]>("project", "list");
  const inside = async (project: string, command: string) =>
    (await hub.cli("project", "exec", project, "--", "sh", "-c", command)).stdout.trim();

  beforeAll(async () => {
    hub = await startHub({ pool: true });
    browser = await launch();
    ada = await watchedPage(browser);
    ada.page.setDefaultTimeout(60_000);
    await makeAdmin(ada.page, hub.setupUrl);
    [host] = (await hub.json<Host[]>("host", "list")) as [Host];
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  async function looksWell(name: string): Promise<void> {
    expect([name, await seriousProblems(ada.page)]).toEqual([name, []]);
    await looks(ada.page, name);
  }

  test(
    "its own programs are an image with a fingerprint, which a new project can have",
    async () => {
      const { page } = ada;
      const system = await until(
        "the host told its fingerprint",
        async () => (await hub.json<Image[]>("image", "list")).find((one) => one.image === "system"),
        30_000,
      );
      const fingerprint = system.hosts?.[0]?.digest?.slice(0, 12) ?? "";
      expect(fingerprint).toMatch(/^[0-9a-f]{12}$/);
      await page.goto(`${hub.url}/images`);
      await page.getByText("each host’s own programs").waitFor();
      await page.getByRole("cell", { name: fingerprint }).waitFor();
      await looksWell("images-system");
      await page.goto(`${hub.url}/projects`);
      await page.getByRole("button", { name: "New project" }).first().click();
      const dialog = page.getByRole("dialog", { name: "New project" });
      await dialog.getByLabel("Name").fill("on the machine");
      await dialog.getByRole("combobox", { name: "Image" }).click();
      await page.getByRole("option", { name: "system" }).click();
      await dialog.getByText("Its host’s own programs").waitFor();
      await looksWell("create-system");
      await dialog.getByRole("button", { name: "Create and open" }).click();
      await until("it runs", async () => (await projects())[0]?.state === "running", 90_000);
      expect((await projects())[0]?.image).toBe("system");
      expect(await inside("on the machine", "dpkg-query -W | wc -l; cat /etc/hostname")).toBe(
        `${(await execOk(["sh", "-c", "dpkg-query -W | wc -l"])).trim()}\nproject`,
      );
      await hub.json("project", "delete", "on the machine");
    },
    SLOW,
  );

  test(
    "of four projects of another hub one is wiped by its name, one adopted, and the rest wiped by the host's",
    async () => {
      const { page } = ada;
      const ids: string[] = [];
      const disk = (id = "") => join(hub.dataDir, "project-host/storage/pool/projects", id);
      for (const name of ["thesis", "data", "draft", "notes"]) {
        await hub.json("project", "create", "--name", name);
        await hub.json("project", "start", name);
        await inside(name, `echo ${name} >~/mark`);
        await hub.json("project", "stop", name);
        ids.push((await projects()).find((one) => one.name === name)?.project_id ?? "");
      }
      const [thesis = "", data = "", draft = "", notes = ""] = ids;
      // A hub that has never heard of them, as another one would be.
      const db = new Database(join(hub.dataDir, "launchpad/hub.sqlite"));
      db.run("pragma foreign_keys = on");
      db.run("delete from projects");
      db.close();
      // Of this one only its files are there, as in a pool that came from another machine.
      rmSync(join(hub.dataDir, `project-host/projects/${data}.json`));
      const bare = `project ${data.slice(0, 8)}`;

      await page.goto(`${hub.url}/hosts/${host.host_id}`);
      const found = page.getByRole("region", { name: "Found on its disk" });
      await found.getByText("4 projects").waitFor();
      await found.getByText("File system").waitFor();
      await found.scrollIntoViewIfNeeded();
      await looksWell("found");

      await found.getByRole("button", { name: "Wipe thesis" }).click();
      const one = page.getByRole("dialog", { name: "Wipe thesis" });
      const sure = one.getByRole("button", { name: "Wipe thesis" });
      expect(await sure.isDisabled()).toBe(true);
      await one.getByLabel("Type thesis to go on").fill("thesi");
      expect(await sure.isDisabled()).toBe(true);
      // Enter is no way around the button.
      await page.keyboard.press("Enter");
      await looksWell("wipe-one");
      expect(existsSync(disk(thesis))).toBe(true);
      await one.getByLabel("Type thesis to go on").fill("thesis");
      await sure.click();
      await found.getByText("3 projects").waitFor();
      expect(ids.map((id) => existsSync(disk(id)))).toEqual([false, true, true, true]);

      await found.getByRole("button", { name: `Adopt ${bare}` }).click();
      await found.getByText("2 projects").waitFor();
      await hub.json("project", "start", bare);
      expect(await inside(bare, "cat ~/mark")).toBe("data");

      await found.getByRole("button", { name: "Wipe all 2" }).click();
      const all = page.getByRole("dialog", { name: "Wipe 2 projects" });
      await all.getByLabel(`Type ${host.name} to go on`).fill("draft");
      expect(await all.getByRole("button", { name: "Wipe 2 projects" }).isDisabled()).toBe(true);
      await looksWell("wipe-all");
      await all.getByLabel(`Type ${host.name} to go on`).fill(host.name);
      await all.getByRole("button", { name: "Wipe 2 projects" }).click();
      await found.waitFor({ state: "detached" });
      expect([thesis, data, draft, notes].map((id) => existsSync(disk(id)))).toEqual([
        false,
        true,
        false,
        false,
      ]);
      expect(await inside(bare, "cat ~/mark")).toBe("data");
      const audit = await hub.json<{ action: string }[]>("audit", "list");
      expect(audit.filter((entry) => entry.action === "project.wipe")).toHaveLength(3);
      expect(ada.errors).toEqual([]);
    },
    SLOW,
  );
});
