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
});
