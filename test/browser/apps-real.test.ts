/**
 * Real apps, from PyPI and npm, driven in Chromium through hub, host and agent. JupyterLab and a Vite dev server each
 * time; Streamlit, TensorBoard and code-server with COCALC_TEST_LONG=1. RStudio is on neither.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import type { Project } from "../../src/contract/api.ts";
import {
  CAN_BUILD_CODE_SERVER,
  codeServerApp,
  nodeApp,
  pythonApp,
  unpackInProject,
} from "../fixtures/app-trees.ts";
import {
  launch,
  makeAdmin,
  seriousProblems,
  shot,
  sticksOut,
  trusting,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const LONG = process.env.COCALC_TEST_LONG === "1";
const SLOW = 300_000;
const FETCHING = 40 * 60_000;
const JUPYTER = ["jupyterlab==4.4.10", "ipykernel==6.31.0"];
const VITE = ["vite@7.3.8"];
const STREAMLIT = ["streamlit==1.50.0"];
const TENSORBOARD = ["tensorboard==2.20.0", "setuptools<81"];

describe.skipIf(!CAN)("real apps in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let page: Page;
  let id = "";
  let ui = "";

  const run = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", id, "--", "bash", "-lc", command);
    if (said.code !== 0) throw new Error(`${command}: ${said.stderr}`);
    return said.stdout;
  };
  /** Opens the app's URL; the progress page gives way to the app by itself. */
  async function openApp(app: string): Promise<{ tab: Page; errors: string[]; sockets: string[] }> {
    const tab = await page.context().newPage();
    const errors: string[] = [];
    const sockets: string[] = [];
    tab.on("pageerror", (error) => errors.push(String(error)));
    tab.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname));
    await tab.goto(`${ui}/${id}/apps/${app}/`);
    return { tab, errors, sockets };
  }

  /** Apart from all else, with a limit of its own: what a mirror and a compiler take says nothing of the apps. */
  const trees: string[] = [];
  const long = { streamlit: "", tensorboard: "", codeServer: "" };
  beforeAll(async () => {
    trees.push(await pythonApp("jupyterlab", JUPYTER), await nodeApp("vite-app", VITE));
    if (!LONG) return;
    long.streamlit = await pythonApp("streamlit", STREAMLIT);
    long.tensorboard = await pythonApp("tensorboard", TENSORBOARD);
    if (CAN_BUILD_CODE_SERVER) long.codeServer = await codeServerApp();
  }, FETCHING);

  beforeAll(async () => {
    hub = await startHub();
    ui = `https://localhost:${hub.basePort}`;
    browser = await launch(await trusting(hub.basePort));
    page = (await watchedPage(browser)).page;
    await makeAdmin(page, hub.setupUrl);
    id = (await hub.json<Project>("project", "create", "--name", "apps")).project_id;
    await hub.json("project", "start", id);
    for (const tree of trees) await unpackInProject(hub, id, tree);
    await page.goto(`${ui}/sign-in`);
    await page.getByLabel("E-mail address").fill("ada@example.com");
    await page.getByLabel("Password", { exact: false }).first().fill("correct horse battery");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  }, SLOW);

  test(
    "the Apps page: what can be started, what is missing and how to get it, a port that listens, an app of one's own",
    async () => {
      await page.goto(`${ui}/projects/${id}/apps`);
      await page.getByRole("heading", { name: "Apps", exact: true }).waitFor();
      const rstudio = page.getByRole("row").filter({ hasText: "RStudio" });
      await rstudio.getByText("How to install it").click();
      await rstudio.getByText(/rstudio-server-latest/).waitFor();
      await run("cd /tmp && (setsid python3 -m http.server 9999 >/dev/null 2>&1 &)");
      await page.getByText("listens on port 9999").waitFor({ timeout: 15_000 });
      await page.getByRole("button", { name: "Add an app" }).click();
      await page.getByRole("textbox", { name: "Name in its address" }).fill("vite");
      await page.getByRole("textbox", { name: "Title" }).fill("Vite dev server");
      await page
        .getByRole("textbox", { name: "Command" })
        .fill(
          'cd vite-app && exec node node_modules/vite/bin/vite.js --host 127.0.0.1 --port "$PORT" --strictPort --base "$APP_BASE_URL"',
        );
      await shot(page, "apps-add");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Vite dev server", { exact: true }).waitFor();
      await shot(page, "apps-page");
      expect(await seriousProblems(page)).toEqual([]);
      await page.emulateMedia({ colorScheme: "dark" });
      await shot(page, "apps-page-dark");
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize({ width: 390, height: 844 });
      await shot(page, "apps-page-phone");
      expect(await sticksOut(page)).toBe(0);
      await page.setViewportSize({ width: 1440, height: 900 });
    },
    SLOW,
  );

  test(
    "JupyterLab: started by its URL, a kernel runs a cell, over WebSockets",
    async () => {
      const { tab, errors, sockets } = await openApp("jupyterlab");
      await tab.locator('.jp-LauncherCard[data-category="Notebook"]').first().click({ timeout: 90_000 });
      await tab.locator(".jp-Notebook .cm-content").first().waitFor({ timeout: 30_000 });
      await tab.getByText("| Idle").first().waitFor({ timeout: 60_000 });
      await tab.locator(".jp-Notebook .cm-content").first().click();
      await tab.keyboard.type("print('cell', 6*7)");
      await tab.keyboard.press("Shift+Enter");
      await tab.locator(".jp-OutputArea-output", { hasText: "cell 42" }).waitFor({ timeout: 60_000 });
      await shot(tab, "apps-jupyterlab");
      expect(sockets.some((path) => /\/api\/kernels\/[^/]+\/channels$/.test(path))).toBe(true);
      expect(sockets.every((path) => path.startsWith(`/${id}/apps/jupyterlab/`))).toBe(true);
      expect(errors).toEqual([]);
      await tab.close();
    },
    SLOW,
  );

  test(
    "JupyterLab's terminal: what is typed runs in the project",
    async () => {
      const { tab, sockets } = await openApp("jupyterlab");
      await tab.locator(".jp-Launcher, .jp-Notebook").first().waitFor({ timeout: 90_000 });
      await tab.getByRole("menuitem", { name: "File", exact: true }).click();
      await tab.getByText("New", { exact: true }).first().hover();
      await tab.getByRole("menuitem", { name: "Terminal", exact: true }).click();
      await tab
        .locator(".jp-Terminal .xterm-helper-textarea")
        .waitFor({ timeout: 60_000, state: "attached" });
      await until(
        "its socket is open",
        async () => sockets.some((path) => path.startsWith(`/${id}/apps/jupyterlab/terminals/websocket/`)),
        60_000,
      );
      await tab.locator(".jp-Terminal .xterm-helper-textarea").focus();
      await tab.keyboard.type("echo typed-$((40+2)) >from-jupyter.txt");
      await tab.keyboard.press("Enter");
      await until("it has run", async () => (await run("cat from-jupyter.txt")) === "typed-42\n", 60_000);
      await shot(tab, "apps-jupyterlab-terminal");
      await tab.close();
    },
    SLOW,
  );

  test(
    "a Vite dev server: a change in the project is in the page at once, without a reload",
    async () => {
      await run(
        `cd vite-app && printf '<!doctype html><p id="out"></p><script type="module" src="./main.js"></script>' >index.html && printf 'import { said } from "./said.js"; const show = (m) => { document.getElementById("out").textContent = m; }; show(said); if (import.meta.hot) import.meta.hot.accept("./said.js", (m) => show(m.said));' >main.js && printf 'export const said = "one";' >said.js`,
      );
      const { tab, errors, sockets } = await openApp("vite");
      await tab.locator("#out", { hasText: "one" }).waitFor({ timeout: 60_000 });
      await tab.evaluate(() => {
        (globalThis as { kept?: boolean }).kept = true;
      });
      await until(
        "the socket for changes is open",
        async () => sockets.includes(`/${id}/apps/vite/`),
        10_000,
      );
      await tab.waitForTimeout(500);
      await run(`printf 'export const said = "two";' >vite-app/said.js`);
      await tab.locator("#out", { hasText: "two" }).waitFor({ timeout: 15_000 });
      expect(await tab.evaluate(() => (globalThis as { kept?: boolean }).kept)).toBe(true);
      expect(errors).toEqual([]);
      await tab.close();
      // The bar at the foot has it.
      await page.goto(`${ui}/projects/${id}`);
      await page.getByRole("link", { name: "Vite dev server" }).waitFor({ timeout: 15_000 });
      await page.getByRole("link", { name: "Start an app" }).waitFor();
      await shot(page, "apps-bar");
    },
    SLOW,
  );

  test.skipIf(!LONG)(
    "Streamlit: a widget's change reaches the script and comes back",
    async () => {
      await unpackInProject(hub, id, long.streamlit);
      await run(
        `printf 'import streamlit as st\\nname = st.text_input("Name", "nobody")\\nst.write("hello " + name)\\n' >streamlit_app.py`,
      );
      const { tab, sockets } = await openApp("streamlit");
      await tab.getByText("hello nobody").waitFor({ timeout: 90_000 });
      await tab.getByLabel("Name").fill("Ada");
      await tab.keyboard.press("Enter");
      await tab.getByText("hello Ada").waitFor({ timeout: 30_000 });
      expect(sockets).toContain(`/${id}/apps/streamlit/_stcore/stream`);
      await shot(tab, "apps-streamlit");
      await tab.close();
    },
    SLOW,
  );

  test.skipIf(!LONG)(
    "TensorBoard: a scalar that was logged is shown",
    async () => {
      await unpackInProject(hub, id, long.tensorboard);
      await run(
        `python3 - <<'END'\nimport time\nfrom tensorboard.compat.proto.event_pb2 import Event\nfrom tensorboard.compat.proto.summary_pb2 import Summary\nfrom tensorboard.summary.writer.event_file_writer import EventFileWriter\nw = EventFileWriter("logs/run")\nfor step in range(5):\n    w.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=1.0 / (step + 1))])))\nw.close()\nEND`,
      );
      const { tab, errors } = await openApp("tensorboard");
      await tab.getByText("loss").first().waitFor({ timeout: 90_000 });
      await shot(tab, "apps-tensorboard");
      expect(errors).toEqual([]);
      await tab.close();
    },
    SLOW,
  );

  test.skipIf(!LONG || !CAN_BUILD_CODE_SERVER)(
    "VS Code (code-server; needs a C++ compiler): its terminal, and a web view with its service worker",
    async () => {
      await unpackInProject(hub, id, long.codeServer);
      const settings = { "security.workspace.trust.enabled": false, "workbench.startupEditor": "none" };
      await run(
        `mkdir -p .local/share/code-server/User && echo '${JSON.stringify(settings)}' >.local/share/code-server/User/settings.json && echo '# Seen in a web view' >page.md`,
      );
      const { tab, sockets } = await openApp("vscode");
      await tab.locator(".monaco-workbench .explorer-folders-view").waitFor({ timeout: 180_000 });
      // A command is listed once its part of the workbench has loaded, and not in a list that was opened before.
      const command = (name: string) =>
        until(
          `the command ${name}`,
          async () => {
            await tab.keyboard.press("Escape");
            await tab.keyboard.press("F1");
            await tab.locator(".quick-input-widget input").first().fill(`>${name}`);
            await tab
              .locator(".quick-input-list .monaco-list-row", { hasText: name })
              .first()
              .click({ timeout: 5_000 });
            return true;
          },
          120_000,
        );
      await command("Terminal: Create New Terminal");
      await tab
        .locator(".terminal-wrapper .xterm-helper-textarea")
        .first()
        .waitFor({ state: "attached", timeout: 60_000 });
      await until(
        "it takes what is typed",
        async () => {
          await tab.locator(".terminal-wrapper .xterm-helper-textarea").first().focus();
          await tab.keyboard.type("echo typed-$((40+2)) >from-code.txt\n");
          return (await run("cat from-code.txt 2>/dev/null || true")) === "typed-42\n";
        },
        60_000,
      );
      await tab.getByRole("treeitem", { name: /page\.md/ }).dblclick();
      await tab.locator(".editor-instance .view-lines").first().waitFor({ timeout: 60_000 });
      await command("Markdown: Open Preview to the Side");
      await until(
        "the web view shows it",
        async () => {
          for (const frame of tab.frames())
            if ((await frame.locator("h1", { hasText: "Seen in a web view" }).count()) > 0) return true;
          return false;
        },
        90_000,
      );
      await shot(tab, "apps-vscode");
      const workers = tab
        .context()
        .serviceWorkers()
        .map((one) => new URL(one.url()).pathname);
      expect(workers.some((path) => path.startsWith(`/${id}/apps/vscode/`))).toBe(true);
      expect(sockets.every((path) => path.startsWith(`/${id}/apps/vscode/`))).toBe(true);
      await tab.close();
    },
    SLOW * 2,
  );
});
