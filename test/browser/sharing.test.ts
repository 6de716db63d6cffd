/** Two people and one project: invited by a link, seen by each other, shown what is theirs, and out at once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import {
  launch,
  makeAdmin,
  seriousProblems,
  shot,
  terminalShows,
  typeLine,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;
const REFUSED = /This needs the role collaborator/;
const NOTEBOOK = JSON.stringify({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: [
    {
      cell_type: "code",
      metadata: {},
      execution_count: 1,
      source: "6 * 7",
      outputs: [{ output_type: "stream", name: "stdout", text: "the answer is 42" }],
    },
  ],
});

describe.skipIf(!CAN)("sharing a project, in two Chromiums (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let ada: Watched;
  let ben: Watched;
  let project: string;

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    ada = await watchedPage(browser);
    ben = await watchedPage(browser, "dark");
    await makeAdmin(ada.page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "climate",
    ));
    await hub.json("project", "start", project);
    const made = await hub.cli(
      "project",
      "exec",
      project,
      "--",
      "sh",
      "-c",
      `mkdir -p course/week1 private && echo 'Read chapter one' > course/week1/task.md && echo secret > private/key && ln -s ../private/key course/leak && echo '${NOTEBOOK}' > course/week1/lesson.ipynb && echo '%PDF-1.4' > course/week1/slides.pdf && head -c 500 /dev/urandom > course/week1/data.bin`,
    );
    expect(made.code).toBe(0);
    await ada.page.goto(`${hub.url}/projects/${project}`);
    await terminalShows(ada.page, /\$\s*$/);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "a link makes an account and a collaborator; both see each other; one terminal, two screens",
    async () => {
      await ada.page.getByRole("link", { name: "People" }).click();
      await ada.page.getByRole("button", { name: "Make a link" }).click();
      const url = await ada.page
        .getByText(/\/join#token=/)
        .first()
        .textContent();
      await shot(ada.page, "people-light");
      expect(await seriousProblems(ada.page)).toEqual([]);
      const local = (url ?? "").trim().replace(/^https?:\/\/[^/]+/, hub.url);
      await ben.page.goto(local);
      await ben.page.getByRole("heading", { name: /Ada invites you to climate/ }).waitFor();
      await shot(ben.page, "join-dark");
      await ben.page.getByLabel("Name").fill("Ben");
      await ben.page.getByLabel("E-mail address").fill("ben@example.com");
      await ben.page.getByLabel("Password").first().fill("another horse battery");
      await ben.page.getByRole("button", { name: "Make an account and join" }).click();
      await ben.page.waitForURL(`**/projects/${project}`);
      await terminalShows(ben.page, /\$\s*$/);
      await ada.page.getByRole("img", { name: "Ben" }).first().waitFor();
      await ben.page.locator("header").getByRole("img", { name: "Ada" }).waitFor();
      await shot(ben.page, "presence-dark");
      // What one types the other reads, at the smaller of both sizes.
      await ada.page.goto(`${hub.url}/projects/${project}`);
      await terminalShows(ada.page, /\$\s*$/);
      await typeLine(ben.page, "echo hello-$((20+3))");
      await terminalShows(ada.page, /hello-23/);
    },
    SLOW,
  );

  test(
    "made a viewer: the terminal ends at once, what is marked is read, and nothing else",
    async () => {
      await hub.json("project", "share", "view", project, "--paths", "course", "--ports", "8000");
      await hub.json("project", "share", "add", project, "ben@example.com", "--role", "viewer");
      await ben.page.getByText("You are a viewer of this project").waitFor({ timeout: 10_000 });
      expect(await ben.page.locator(".xterm").count()).toBe(0);
      await ben.page.getByRole("button", { name: "course" }).click();
      await ben.page.getByRole("button", { name: "week1" }).click();
      await ben.page.getByRole("button", { name: "task.md" }).click();
      const shown = (title: string) => ben.page.frameLocator(`iframe[title="${title}"]`);
      await shown("task.md").getByText("Read chapter one").waitFor();
      await ben.page.getByText("Text", { exact: true }).click();
      await ben.page.locator(".cm-content:visible", { hasText: "Read chapter one" }).waitFor();
      await ben.page.getByRole("button", { name: "lesson.ipynb" }).click();
      await shown("lesson.ipynb").getByText("the answer is 42").waitFor();
      await shot(ben.page, "viewer-notebook-dark");
      const pdf = ben.page.waitForResponse((response) => response.url().includes("slides.pdf"));
      await ben.page.getByRole("button", { name: "slides.pdf" }).click();
      expect((await pdf).headers()["content-type"]).toBe("application/pdf");
      await ben.page.getByRole("button", { name: "data.bin" }).click();
      await ben.page.getByText("is no text").waitFor();
      const download = ben.page.waitForEvent("download");
      await ben.page.getByRole("link", { name: "Download" }).first().click();
      expect(readFileSync(await (await download).path()).length).toBe(500);
      await ben.page.getByRole("button", { name: "task.md" }).click();
      await shown("task.md").getByText("Read chapter one").waitFor();
      await shot(ben.page, "viewer-dark");
      // axe waits for ever for a frame in which no script may run.
      await ben.page.getByText("Text", { exact: true }).click();
      await ben.page.locator(".cm-content:visible", { hasText: "Read chapter one" }).waitFor();
      expect(await seriousProblems(ben.page)).toEqual([]);
      // The link out of it, read by hand over the very socket: as if it were not there.
      await ben.page.getByRole("button", { name: ".." }).click();
      await ben.page.getByRole("button", { name: "leak" }).click();
      await ben.page.getByText("There is no such file or folder").waitFor();
      const status = await ben.page.evaluate(
        async (id) =>
          await Promise.all(
            [`/api/projects/${id}/stop`, `/api/projects/${id}/people`].map(async (path) => {
              const post = await fetch(path, {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ who: "ben@example.com", role: "collaborator" }),
              });
              return post.status;
            }),
          ),
        project,
      );
      expect(status).toEqual([403, 403]);
    },
    SLOW,
  );

  test(
    "a viewer opens the app and the web server that are marked, and no other of the project",
    async () => {
      const made = await hub.cli(
        ...["project", "exec", project, "--", "sh", "-c"],
        "mkdir -p public && echo 'Course page' > public/index.html && for p in 8000 8001; do mkdir -p www$p && echo served-$p > www$p/index.html && setsid python3 -m http.server $p --bind 127.0.0.1 --directory www$p >/dev/null 2>&1 </dev/null & done",
      );
      expect(made.code).toBe(0);
      const serve = "exec python3 -m http.server --bind 127.0.0.1 --directory $HOME/private $PORT";
      await hub.json("app", "define", project, "vault", "--command", serve, "--base", "strip");
      await hub.json("project", "share", "view", project, "--apps", "site");
      await ben.page.goto(`${hub.url}/projects/${project}`);
      const open = async (link: string, text: string) => {
        const opened = ben.page.context().waitForEvent("page");
        await ben.page.getByRole("link", { name: link }).click();
        const page = await opened;
        await page.getByText(text, { exact: true }).waitFor({ timeout: 60_000 });
        return page;
      };
      const site = await open("site", "Course page");
      await shot(site, "viewer-app");
      await open("Web server on port 8000", "served-8000");
      expect(await ben.page.getByRole("link", { name: /vault|8001/ }).count()).toBe(0);
      // By hand, from the hub's door and beside the marked one on its very origin.
      const here = new URL(site.url());
      const tries = ["apps/vault/", "apps/jupyterlab/", "proxy/8001/", "port/8001/"];
      for (const origin of [hub.url, here.origin])
        for (const way of tries) {
          await site.goto(`${origin}/${project}/${way}`).catch(() => {});
          await site.getByText(REFUSED).waitFor();
          expect(await site.content()).not.toMatch(/served-8001|secret|key/);
        }
      // What serves the marked folder has no way out of it.
      await site.goto(`${here.origin}/${project}/apps/site/..%2fprivate%2fkey`).catch(() => {});
      expect(await site.content()).not.toContain("secret");
      const apps = await hub.json<{ name: string; state: string }[]>("app", "list", project);
      expect(apps.filter((one) => one.state === "running").map((one) => one.name)).toEqual(["site"]);
      // What is marked no more is shut at once.
      await hub.json("project", "share", "view", project, "--apps", "jupyterlab");
      await until(
        "the app is shut",
        async () => {
          await site.goto(`${here.origin}/${project}/apps/site/`).catch(() => {});
          return !(await site.content()).includes("Course page");
        },
        15_000,
      );
      for (const page of ben.page.context().pages()) if (page !== ben.page) await page.close();
    },
    SLOW,
  );

  test(
    "removed: out at once, on the page and at its socket",
    async () => {
      await ben.page.goto(`${hub.url}/projects/${project}`);
      await ben.page.getByText("You are a viewer of this project").waitFor();
      await hub.json("project", "share", "remove", project, "ben@example.com");
      await ben.page.getByText("There is no such project").waitFor({ timeout: 10_000 });
      const people = await until(
        "only Ada is left",
        async () => {
          const list = await hub.json<{ name: string }[]>("project", "share", "list", project);
          return list.length === 1 ? list.map((one) => one.name) : undefined;
        },
        5_000,
      );
      expect(people).toEqual(["Ada"]);
      await ben.page.setViewportSize({ width: 390, height: 800 });
      await ada.page.setViewportSize({ width: 390, height: 800 });
      await ada.page.goto(`${hub.url}/projects/${project}/people`);
      await ada.page.getByRole("heading", { name: "People" }).waitFor();
      await shot(ada.page, "people-phone");
      const odd = ada.errors.filter((text) => !/WebSocket|Failed to load/.test(text));
      expect(odd).toEqual([]);
    },
    SLOW,
  );

  test(
    "the owner gives the project to somebody else, and leaves it",
    async () => {
      await hub.json("project", "share", "add", project, "ben@example.com", "--role", "collaborator");
      await ada.page.setViewportSize({ width: 1440, height: 900 });
      await ada.page.goto(`${hub.url}/projects/${project}/people`);
      await ada.page.getByRole("button", { name: "Change Ben" }).click();
      await ada.page.getByRole("menuitem", { name: "Give the project to Ben" }).click();
      await ada.page.getByText("cannot take it back yourself").waitFor();
      await shot(ada.page, "people-give");
      await ada.page.getByRole("button", { name: "Give it to Ben" }).click();
      await ada.page.getByRole("button", { name: "Leave", exact: true }).click();
      await shot(ada.page, "people-leave");
      await ada.page.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
      await ada.page.waitForURL("**/projects");
      const list = await hub.json<{ name: string; role: string }[]>("project", "share", "list", project);
      expect(list.map(({ name, role }) => [name, role])).toEqual([["Ben", "owner"]]);
    },
    SLOW,
  );
});
