/** A port that goes from one project to another: what the first left in the browser is gone before the second's page. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { callProject } from "../../src/contract/project-client.ts";
import { launch, trusting } from "../fixtures/browser.ts";
import { type ChainLab, openChain } from "../fixtures/chain-lab.ts";

const CAN = existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 60_000;

describe.skipIf(!CAN)("a leased port in Chromium (needs Chromium)", () => {
  let lab: ChainLab;
  let browser: Browser;
  let page: Page;
  const ids = () => lab.agents.map((one) => one.project_id);
  const url = (id: string) => `https://localhost:${lab.ports.https}/${id}/apps/rooted/`;

  beforeAll(async () => {
    lab = await openChain({ projects: 2, shards: [0] });
    for (const [n, agent] of lab.agents.entries()) {
      copyFileSync(join(import.meta.dir, "../fixtures/victim.py"), join(agent.home, "victim.py"));
      const peer = agent.browser();
      const command = `exec python3 victim.py "$PORT" project-${n}`;
      await callProject(peer, agent.project_id, "apps.define", {
        app: "rooted",
        definition: { title: "rooted", command, base: "root" },
      });
    }
    browser = await launch(await trusting(lab.ports.https));
    page = await (await browser.newContext()).newPage();
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    for (const agent of lab?.agents ?? [])
      await callProject(agent.browser(), agent.project_id, "apps.stop", { app: "rooted" });
    await lab?.close();
  }, SLOW);

  test(
    "an app at the root of its port leaves a service worker, storage and a cookie there",
    async () => {
      await page.goto(url(ids()[0] ?? ""));
      await page.locator("#secret", { hasText: "secret of project-0" }).waitFor({ timeout: 20_000 });
      expect(page.url()).toBe(`https://localhost:${lab.ports.firstShard}/`);
      await page.evaluate(async () => {
        localStorage.setItem("left", "behind");
        await navigator.serviceWorker.register("/sw.js");
        await navigator.serviceWorker.ready;
        await caches.open("mine").then((cache) => cache.put("/x", new Response("old")));
      });
      await page.reload();
      await page.getByText("stolen").waitFor();
    },
    SLOW,
  );

  test(
    "while it is in use no other project gets the port",
    async () => {
      const answer = await page.goto(url(ids()[1] ?? ""));
      expect(answer?.status()).toBe(503);
      await page.getByText("apps.no-port-free").waitFor();
    },
    SLOW,
  );

  test(
    "after a day without use another project gets it, and meets nothing of the first",
    async () => {
      const old = new Date(Date.now() - 2 * 86_400_000).toISOString();
      await lab.db.updateTable("app_leases").set({ used_at: old }).execute();
      await page.goto(url(ids()[1] ?? ""));
      await page.locator("#secret", { hasText: "secret of project-1" }).waitFor({ timeout: 20_000 });
      expect(page.url()).toBe(`https://localhost:${lab.ports.firstShard}/`);
      const left = await page.evaluate(async () => ({
        stored: localStorage.getItem("left"),
        workers: (await navigator.serviceWorker.getRegistrations()).length,
        caches: await caches.keys(),
        old: (await fetch("/x")).status,
      }));
      expect(left).toMatchObject({ stored: null, workers: 0, caches: [] });
      // The first project's cookie is worth nothing there any more.
      const before = await page.evaluate(
        async (path) => (await fetch(path)).status,
        `/${ids()[0]}/apps/rooted/`,
      );
      expect(before).toBe(421);
    },
    SLOW,
  );
});
