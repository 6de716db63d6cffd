/**
 * Virtual machines from the hub, on the command line and in Chromium, through a real host and its helper; `multipass`
 * itself is a FAKE that checks its arguments against the published command line and boots nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import type { Host } from "../../src/contract/api.ts";
import type { HostCommand } from "../../src/contract/api-commands.ts";
import { launch, looks, makeAdmin, seriousProblems, type Watched, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub } from "../fixtures/running-hub.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") && process.getuid?.() === 0;
if (!CAN) console.error("SKIPPED: virtual machines in Chromium: needs Chromium, and root for the helper");
const SLOW = 180_000;
const FAKE = resolve(import.meta.dir, "../fixtures/fake-multipass.ts");

describe.skipIf(!CAN)("virtual machines from the hub, in Chromium", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let host: Host;
  /** What the hub alone has as /usr/local/bin. */
  const bin = mkdtempSync(join(tmpdir(), "cc-vms-"));
  const state = join(bin, "state.json");
  const kept = () =>
    JSON.parse(readFileSync(state, "utf8")) as { name: string; cpus: string; state: string }[];

  beforeAll(async () => {
    const mount = 'mount --bind "$1" /usr/local/bin && shift && exec "$@"';
    hub = await startHub({
      image: false,
      wrap: ["unshare", "--mount", "--propagation", "slave", "sh", "-c", mount, "sh", bin],
    });
    browser = await launch();
    ada = await watchedPage(browser);
    ada.page.setDefaultTimeout(60_000);
    await makeAdmin(ada.page, hub.setupUrl);
    [host] = (await hub.json<Host[]>("host", "list")) as [Host];
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    rmSync(bin, { recursive: true, force: true });
  }, SLOW);

  async function looksWell(name: string): Promise<void> {
    expect([name, await seriousProblems(ada.page)]).toEqual([name, []]);
    await looks(ada.page, name);
  }

  test(
    "without Multipass: what installs it is said, on the page and by the command, which waits for nothing",
    async () => {
      const { page } = ada;
      const refused = await hub.cli("vm", "create", host.name, "lab");
      expect([refused.code !== 0, refused.stderr]).toEqual([
        true,
        expect.stringContaining("sudo snap install multipass") as never,
      ]);
      await page.goto(`${hub.url}/hosts/${host.host_id}`);
      const section = page.getByRole("region", { name: "Virtual machines" });
      await section.getByText("Multipass is not installed on this machine").first().click();
      await section.getByText("sudo snap install multipass").waitFor();
      await section.scrollIntoViewIfNeeded();
      await looksWell("vms-none");
    },
    SLOW,
  );

  test(
    "made, stopped and started on the page; resized and deleted by the command; a person's own is never seen",
    async () => {
      const { page } = ada;
      writeFileSync(
        join(bin, "multipass"),
        `#!/bin/sh\nexec '${process.execPath}' '${FAKE}' '${state}' "$@"\n`,
        { mode: 0o755 },
      );
      writeFileSync(state, JSON.stringify([{ name: "primary", state: "Running", ipv4: [], disk: "5G" }]));
      await page.reload();
      const section = page.getByRole("region", { name: "Virtual machines" });
      await section.getByRole("button", { name: "Make a virtual machine…" }).click();
      const dialog = page.getByRole("dialog", { name: "Make a virtual machine" });
      await dialog.getByLabel("Name").fill("lab");
      await dialog.getByLabel("CPUs").fill("3");
      await looksWell("vms-make");
      await dialog.getByRole("button", { name: "Make it" }).click();
      await section.getByText("Running at 10.1.2.3").waitFor();
      await section.getByText("has not joined").waitFor();
      expect(await section.getByText("primary").count()).toBe(0);
      await section.scrollIntoViewIfNeeded();
      await looksWell("vms");
      await section.getByRole("button", { name: "Stop lab" }).click();
      await section.getByRole("button", { name: "Start lab" }).waitFor();
      await section.getByText("Stopped").waitFor();
      await section.getByRole("button", { name: "Start lab" }).click();
      await section.getByText("Running at").waitFor();

      await hub.json<HostCommand>("vm", "resize", host.name, "lab", "--cpus", "5");
      expect(kept()[1]).toMatchObject({ name: "cocalc-lab", cpus: "5", state: "Running" });
      const smaller = await hub.cli("vm", "resize", host.name, "lab", "--disk", "1");
      expect([smaller.code !== 0, smaller.stderr]).toEqual([
        true,
        expect.stringContaining("Disk can only be expanded") as never,
      ]);
      // Its problem stays until somebody has read it, also over a reload.
      await section.getByText("Disk can only be expanded").waitFor();
      await section.getByRole("button", { name: "Dismiss" }).click();
      await section.getByText("Disk can only be expanded").waitFor({ state: "detached" });
      await page.reload();
      await section.getByText("Running at").waitFor();
      expect(await section.getByText("Disk can only be expanded").count()).toBe(0);
      const foreign = await hub.cli("vm", "stop", host.name, "primary");
      expect(foreign.stderr).toContain("vm.not-found");
      expect(await hub.json<unknown[]>("vm", "list", host.name)).toMatchObject([
        { name: "cocalc-lab", host: null },
      ]);
      await hub.json<HostCommand>("vm", "delete", host.name, "lab");
      expect(kept().map((one) => one.name)).toEqual(["primary"]);
      expect(ada.errors).toEqual([]);
    },
    SLOW,
  );
});
