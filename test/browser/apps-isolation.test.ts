/** From an app page of one project: nothing of the hub, and nothing of another project. Prints the matrix. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Project } from "../../src/contract/api.ts";
import { ATTACKS, type Targets } from "../fixtures/attacks.ts";
import { launch, makeAdmin, shot, trusting, watchedPage } from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;
const PORT = 8000;
const SERVER = readFileSync(join(import.meta.dir, "../fixtures/victim.py"), "utf8");

describe.skipIf(!CAN)("isolation in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let [a, b] = ["", ""];
  let host_id = "";

  async function project(name: string): Promise<string> {
    const { project_id } = await hub.json<Project>("project", "create", "--name", name);
    await hub.json("project", "start", project_id);
    const run = (command: string) => hub.cli("project", "exec", project_id, "--", "sh", "-c", command);
    await run(`cat >victim.py <<'END'\n${SERVER}\nEND`);
    await run(`setsid python3 victim.py ${PORT} ${name} >/dev/null 2>&1 &`);
    await until(
      "it listens",
      async () =>
        (await run(`python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:${PORT}/hits")'`))
          .code === 0,
      10_000,
    );
    return project_id;
  }
  const hits = async (id: string): Promise<[string, string, string][]> => {
    const said = await hub.cli(
      "project",
      "exec",
      id,
      "--",
      "python3",
      "-c",
      `import urllib.request as u; print(u.urlopen("http://127.0.0.1:${PORT}/hits").read().decode())`,
    );
    return JSON.parse(said.stdout);
  };
  const names = async () => (await hub.json<Project[]>("project", "list")).map((one) => one.name).sort();
  /** Opens a project's page as a person does, from the UI; returns the tab. */
  async function openPage(ui: string, id: string, rest = ""): Promise<Page> {
    const tab = await context.newPage();
    await tab.goto(`${ui}/${id}/proxy/${PORT}/${rest}`);
    await tab.locator("#secret").waitFor({ timeout: 20_000 });
    return tab;
  }

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch(await trusting(hub.basePort));
    const watched = await watchedPage(browser);
    page = watched.page;
    context = page.context();
    await makeAdmin(page, hub.setupUrl);
    host_id = (await hub.json<{ host_id: string }[]>("host", "list"))[0]?.host_id ?? "";
    a = await project("attacker");
    b = await project("victim");
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "over TLS each project's pages are an origin of their own, reached by a page that probes it first",
    async () => {
      const ui = `https://localhost:${hub.basePort}`;
      await page.goto(`${ui}/sign-in`);
      await page.getByLabel("E-mail address").fill("ada@example.com");
      await page.getByLabel("Password", { exact: false }).first().fill("correct horse battery");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
      const [first, second] = [await openPage(ui, a), await openPage(ui, b)];
      const [one, two] = [new URL(first.url()), new URL(second.url())];
      for (const url of [one, two]) {
        expect(Number(url.port)).toBeGreaterThanOrEqual(hub.basePort + 10);
        expect(Number(url.port)).toBeLessThanOrEqual(hub.basePort + 73);
        expect(url.search).toBe("");
      }
      expect(one.port).not.toBe(two.port);
      expect(await second.locator("#secret").textContent()).toBe("secret of victim");
      // Another project's path there is misdirected.
      const wrong = await first.evaluate(async (path) => (await fetch(path)).status, two.pathname);
      expect([401, 421]).toContain(wrong);
      // The second time there is nothing to probe.
      const again = await openPage(ui, a);
      expect(new URL(again.url()).port).toBe(one.port);
      for (const tab of [first, second, again]) await tab.close();
    },
    SLOW,
  );

  for (const [door, offset] of [
    ["the TLS door", 0],
    ["the loopback door", 3],
  ] as const) {
    test(
      `from ${door}`,
      async () => {
        const ui = `${offset === 0 ? "https" : "http"}://localhost:${hub.basePort + offset}`;
        const victim = await openPage(ui, b);
        const attacker = await openPage(ui, a);
        const [mine, theirs] = [new URL(attacker.url()), new URL(victim.url())];
        expect(mine.origin).not.toBe(theirs.origin);
        const targets: Targets = {
          hub: ui,
          host_id,
          app: theirs.href,
          own: `${mine.origin}${theirs.pathname}`,
          shared: `${ui.replace(String(hub.basePort + offset), String(hub.basePort + (offset === 0 ? 2 : 4)))}${theirs.pathname}`,
          other_id: b,
        };
        const before = { projects: await names(), hits: (await hits(b)).length };
        const rows: [string, string][] = [];
        for (const [name, attack] of Object.entries(ATTACKS)) {
          const said = await attacker.evaluate(
            ([code, what]) => new Function("targets", `return (${code})(targets)`)(what) as Promise<string>,
            [attack.toString(), targets] as const,
          );
          for (const tab of context.pages()) if (![page, victim, attacker].includes(tab)) await tab.close();
          rows.push([name, said]);
        }
        const all = await hits(b);
        const got = all.slice(before.hits).filter(([, path]) => !path.startsWith("/favicon"));
        const reached = got.map(([method, path]) => `${method} ${path}`);
        const lines = rows.map(([name, said]) => `  ${name.padEnd(40)} ${said}`).join("\n");
        console.log(`\nfrom ${door}:\n${lines}\n  reached the other app: ${reached.join(", ")}`);
        for (const [name, said] of rows)
          expect({ name, said: said.replace(/^refused.*/, "refused") }).toEqual({ name, said: "refused" });
        for (const [name, said] of rows.filter(([one]) => /^hold/.test(one)))
          expect({ name, said }).toEqual({ name, said: "refused: severed" });
        // Opening a window at another site is every page's right; the request then is a plain navigation.
        expect(reached).toEqual(["GET /popup"]);
        for (const [, , cookies] of all) expect(cookies).not.toMatch(/cocalc/i);
        expect(await names()).toEqual(before.projects);
        // The tossed cookies took nothing away: the person is signed in, and the other app opens.
        await page.goto(`${ui}/projects`);
        await page.getByText("victim", { exact: true }).first().waitFor();
        await victim.goto(`${ui}/${b}/proxy/${PORT}/`);
        await victim.locator("#secret").waitFor();
        await victim.close();
        await attacker.close();
      },
      SLOW,
    );
  }

  test(
    "where only the shared address can be reached, the risk is named, asked once, and remembered",
    async () => {
      const ui = `https://localhost:${hub.basePort}`;
      const third = await project("third");
      const tab = await context.newPage();
      await tab.route(/cocalc-probe/, (route) => route.abort());
      await tab.goto(`${ui}/${third}/proxy/${PORT}/`);
      await tab.getByRole("heading", { name: "The page's address cannot be reached from here" }).waitFor();
      await tab.getByText("The risk:").waitFor();
      await shot(tab, "apps-entry-blocked");
      await tab.getByRole("button", { name: "Take the risk for this project" }).click();
      await tab.locator("#secret").waitFor();
      expect(new URL(tab.url()).port).toBe(String(hub.basePort + 2));
      await tab.goto(`${ui}/${third}/proxy/${PORT}/again`);
      await tab.locator("#secret").waitFor();
      expect(new URL(tab.url()).port).toBe(String(hub.basePort + 2));
      // The others' cookies are no good there.
      const other = await tab.evaluate(async (path) => (await fetch(path)).status, `/${a}/proxy/${PORT}/`);
      expect([401, 421]).toContain(other);
      await tab.goto(`${ui}/projects/${third}/apps`);
      await tab.getByRole("button", { name: "Take it back" }).click();
      await tab.getByRole("button", { name: "Take it back" }).waitFor({ state: "detached" });
      await tab.close();
      const back = await openPage(ui, third);
      expect(Number(new URL(back.url()).port)).toBeGreaterThanOrEqual(hub.basePort + 10);
      await back.close();
    },
    SLOW,
  );

  test(
    "a link opens one app to anyone while the admin allows it, on no origin of the hub's, and can be taken back",
    async () => {
      const ui = `https://localhost:${hub.basePort}`;
      const refused = await hub.cli("settings", "set", "apps_wildcard", "*.apps.example.org.");
      expect(refused.code).not.toBe(0);
      await hub.cli("settings", "set", "app_links", "on");
      await page.goto(`${ui}/projects/${b}/apps`);
      await page.getByRole("button", { name: `port ${PORT}: more` }).click();
      await page.getByRole("menuitem", { name: "Link for anyone" }).click();
      await page.getByRole("button", { name: "Make the link" }).click();
      const shown = (await page.getByRole("dialog").locator(".command pre").first().textContent()) ?? "";
      await shot(page, "apps-link");
      const token = shown.split("/link/")[1] ?? "";
      expect(shown).toContain(`:${hub.basePort + 2}/link/`);
      await page.keyboard.press("Escape");
      const stranger = await (await browser.newContext()).newPage();
      await stranger.goto(`https://localhost:${hub.basePort + 2}/link/${token}`);
      await stranger.locator("#secret").waitFor({ timeout: 20_000 });
      const at = new URL(stranger.url());
      expect(Number(at.port)).toBeGreaterThanOrEqual(hub.basePort + 10 + 48);
      const status = (path: string) => stranger.evaluate(async (to) => (await fetch(to)).status, path);
      expect(await status(`/${b}/proxy/${PORT}/x`)).toBe(200);
      expect(await status(`/${b}/proxy/22/`)).toBe(404);
      expect(await status(`/${b}/apps/site/`)).toBe(404);
      await stranger.goto(`${ui}/projects`);
      await stranger.waitForURL(/\/sign-in/);
      await stranger.goto(at.href);
      await page.reload();
      await page.getByText("1 visitor").waitFor();
      await page.getByRole("button", { name: "Take back" }).click();
      await page.getByRole("button", { name: "Take back" }).waitFor({ state: "detached" });
      await until("it is over", async () => (await status(`/${b}/proxy/${PORT}/x`)) === 404, 10_000);
      const gone = await stranger.goto(`https://localhost:${hub.basePort + 2}/link/${token}`);
      expect(gone?.status()).toBe(404);
      const audit = await hub.json<{ action: string }[]>("audit", "list");
      for (const action of ["link.create", "link.open", "link.revoke"])
        expect(audit.some((entry) => entry.action === action)).toBe(true);
      await hub.cli("settings", "set", "app_links", "off");
      await stranger.context().close();
    },
    SLOW,
  );

  test(
    "where the admin has a wildcard name, each project's pages have a host name of their own",
    async () => {
      await hub.json("settings", "set", "apps_wildcard", "*.apps.example");
      const named = await launch([
        ...(await trusting(hub.basePort)),
        "--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP *.apps.example 127.0.0.1",
      ]);
      try {
        const ui = `https://localhost:${hub.basePort}`;
        const { page: tab } = await watchedPage(named);
        await tab.goto(`${ui}/sign-in`);
        await tab.getByLabel("E-mail address").fill("ada@example.com");
        await tab.getByLabel("Password", { exact: false }).first().fill("correct horse battery");
        await tab.getByRole("button", { name: "Sign in" }).click();
        await tab.getByRole("heading", { name: "Projects", exact: true }).waitFor();
        await tab.goto(`${ui}/${b}/proxy/${PORT}/deep?x=1`);
        await tab.locator("#secret").waitFor({ timeout: 60_000 });
        expect(tab.url()).toBe(`https://${b}.apps.example:${hub.basePort + 2}/${b}/proxy/${PORT}/deep?x=1`);
        expect(await tab.locator("#secret").textContent()).toBe("secret of victim");
        // The other project's path is nothing to this name, and the other's name nothing to this page.
        const asks = await tab.evaluate(
          async ([path, other]) => {
            const ask = (to: string) =>
              fetch(to, { credentials: "include" }).then(
                (answer) => answer.status,
                () => 0,
              );
            return [await ask(path), await ask(other)];
          },
          [
            `/${a}/proxy/${PORT}/`,
            `https://${a}.apps.example:${hub.basePort + 2}/${a}/proxy/${PORT}/`,
          ] as const,
        );
        expect([401, 404, 421]).toContain(asks[0] ?? 0);
        expect(asks[1]).toBe(0);
      } finally {
        await named.close();
      }
    },
    SLOW,
  );
});
