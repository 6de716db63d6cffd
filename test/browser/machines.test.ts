/**
 * Machines come and go, in Chromium: the hub signs in to one with a real sshd behind a real router, it is drained,
 * what deprovisioning does is read, and, once it is silent, it is forgotten.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";
import type { Host } from "../../src/contract/api.ts";
import { launch, looks, makeAdmin, seriousProblems, type Watched, watchedPage } from "../fixtures/browser.ts";
import { FAR_BASE_PORT } from "../fixtures/pasted-line.ts";
import { processesOf } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { makeSshMachine, type SshMachine } from "../fixtures/ssh-machine.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") && process.getuid?.() === 0;
if (!CAN) console.error("SKIPPED: machines in Chromium: needs Chromium, and root for namespaces and sshd");
const SLOW = 240_000;

describe.skipIf(!CAN)("machines, in Chromium", () => {
  let hub: RunningHub;
  let machine: SshMachine;
  let browser: Browser;
  let ada: Watched;
  const far = async () =>
    (await hub.json<Host[]>("host", "list")).find((one) => one.type.kind === "self-host") as Host;

  beforeAll(async () => {
    machine = await makeSshMachine();
    hub = await startHub();
    browser = await launch();
    ada = await watchedPage(browser);
    ada.page.setDefaultTimeout(90_000);
    await makeAdmin(ada.page, hub.setupUrl);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await machine?.destroy();
    await hub?.stop();
  }, SLOW);

  async function looksWell(name: string): Promise<void> {
    expect([name, await seriousProblems(ada.page)]).toEqual([name, []]);
    await looks(ada.page, name);
  }

  test(
    "signed in to over SSH: the key is confirmed first, a refused login says why, and trying again makes it a host",
    async () => {
      const { page } = ada;
      // Its file system is the testing machine's: what is made there goes to a place of its own.
      await page.route("**/api/machines", (route) => {
        const request = route.request();
        if (request.method() !== "POST") return route.continue();
        const more = { base_port: Number(FAR_BASE_PORT), data_dir: machine.dataDir };
        return route.continue({ postData: JSON.stringify({ ...request.postDataJSON(), ...more }) });
      });
      await page.goto(`${hub.url}/hosts`);
      await page.getByRole("button", { name: "Add a machine" }).click();
      const dialog = page.getByRole("dialog", { name: "Add a machine" });
      await dialog.getByText("Sign in from here, over SSH").click();
      await dialog.getByLabel("Sign in as").fill(`root@${machine.address}:23`);
      await dialog.getByRole("button", { name: "Look at it" }).click();
      await dialog.getByText("machine.no-ssh-server").waitFor();
      await looksWell("machine-no-server");
      await dialog.getByLabel("Sign in as").fill(`root@${machine.address}:22`);
      await dialog.getByRole("button", { name: "Look at it" }).click();
      await dialog.getByText(await machine.fingerprint()).waitFor();
      const make = dialog.getByRole("button", { name: "Make it a host" });
      expect(await make.isDisabled()).toBe(true);
      await dialog.getByLabel("The key is the one that the machine prints").check();
      await looksWell("machine-key");
      await make.click();
      await dialog.getByText("machine.login-refused").first().waitFor();
      await looksWell("machine-refused");
      const command = (await dialog.locator("code, pre, .mono").allTextContents()).find((text) =>
        text.includes("authorized_keys"),
      );
      machine.allowRoot(/'(ssh-[^']+)'/.exec(command ?? "")?.[1] ?? "");
      await dialog.getByRole("button", { name: "Try again" }).click();
      await until("the machine is a host", async () => (await far())?.state === "ready", 120_000);
      await dialog.getByText("Ready").first().waitFor();
      await looksWell("machine-joined");
      await page.keyboard.press("Escape");
    },
    SLOW,
  );

  test(
    "drained and taken back; deprovisioning is read before, and asks for the name",
    async () => {
      const { page } = ada;
      const host = await far();
      await page.goto(`${hub.url}/hosts/${host.host_id}`);
      await page.getByRole("button", { name: "Drain", exact: true }).click();
      await page.getByRole("button", { name: `Drain ${host.name}` }).click();
      await page.getByRole("button", { name: "Take projects again" }).waitFor();
      await looksWell("machine-drained");
      await page.getByRole("button", { name: "Take projects again" }).click();
      await page.getByRole("button", { name: "Drain", exact: true }).waitFor();
      await page.getByRole("button", { name: "Deprovision or forget…" }).click();
      const dialog = page.getByRole("dialog", { name: `Take ${host.name} out` });
      await dialog.getByText("Removed on the machine").waitFor();
      const act = dialog.getByRole("button", { name: `Deprovision ${host.name}` });
      expect(await act.isDisabled()).toBe(true);
      const typed = dialog.getByLabel(`Type ${host.name} to go on`);
      await typed.fill(host.name.slice(0, -1));
      expect(await act.isDisabled()).toBe(true);
      await typed.fill(host.name);
      await dialog.getByLabel("Keep its data there: projects, images, the pool").check();
      // What was typed stays while the lists change.
      await dialog.getByText("Kept there").waitFor();
      expect(await typed.inputValue()).toBe(host.name);
      await looksWell("machine-deprovision");
      await page.keyboard.press("Escape");
    },
    SLOW,
  );

  test(
    "one that is silent can only be forgotten, which says what that costs; it is then among those that are gone",
    async () => {
      const { page } = ada;
      const host = await far();
      for (const { pid } of processesOf(machine.dataDir)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended with the one before.
        }
      }
      await until("it is away", async () => (await far()).state === "offline", 90_000);
      await page.goto(`${hub.url}/hosts/${host.host_id}`);
      await page.getByRole("button", { name: "Deprovision or forget…" }).click();
      const dialog = page.getByRole("dialog", { name: `Take ${host.name} out` });
      await dialog.getByText("host.away").waitFor();
      await looksWell("machine-forget");
      await dialog.getByLabel(`Type ${host.name} to go on`).fill(host.name);
      await dialog.getByRole("button", { name: `Forget ${host.name}` }).click();
      const gone = page.getByRole("region", { name: "Hosts that are gone" });
      await gone.getByText("forgotten").first().waitFor();
      await gone.locator("summary").first().click();
      await looksWell("machine-gone");
      expect(ada.errors.filter((line) => !/status of (404|409|422|502|503)/.test(line))).toEqual([]);
    },
    SLOW,
  );
});
