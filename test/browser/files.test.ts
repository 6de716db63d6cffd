/** Files of a project in real Chromium: uploads that survive, previews that cannot harm, a trash that gives back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import {
  launch,
  looks,
  makeAdmin,
  seriousProblems,
  shot,
  terminalShows,
  type Watched,
  watchedPage,
} from "../fixtures/browser.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0 && existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium");
const SLOW = 120_000;

describe.skipIf(!CAN)("files in Chromium (needs root for podman, and Chromium)", () => {
  let hub: RunningHub;
  let browser: Browser;
  let watched: Watched;
  let page: Page;
  let project: string;
  let local: string;

  const inProject = async (command: string): Promise<string> => {
    const said = await hub.cli("project", "exec", project, "--", "sh", "-c", command);
    expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    return said.stdout;
  };
  const item = (name: string) => page.getByRole("treeitem", { name, exact: false });
  /** As a person drops: the browser itself makes the entries of folders. */
  async function put(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files))
      await inProject(`mkdir -p "$(dirname '${path}')"; printf '%s' '${text}' > '${path}'`);
  }

  beforeAll(async () => {
    hub = await startHub();
    browser = await launch();
    watched = await watchedPage(browser);
    page = watched.page;
    local = mkdtempSync(join(tmpdir(), "cc-files-"));
    await makeAdmin(page, hub.setupUrl);
    ({ project_id: project } = await hub.json<{ project_id: string }>(
      "project",
      "create",
      "--name",
      "climate",
    ));
    await hub.json("project", "start", project);
    await page.goto(`${hub.url}/projects/${project}`);
    await terminalShows(page, /\$\s*$/);
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    if (local) rmSync(local, { recursive: true, force: true });
  }, SLOW);

  test(
    "an empty project is no fault to those who do not see it",
    async () => {
      await page.getByText("No files yet").first().waitFor();
      expect(await page.getByRole("treeitem").count()).toBe(0);
      expect(await seriousProblems(page)).toEqual([]);
      await looks(page, "files-empty");
    },
    SLOW,
  );

  test(
    "a whole folder goes in with its sub-folders; what is there already is asked about before a byte is sent",
    async () => {
      mkdirSync(join(local, "survey/raw"), { recursive: true });
      for (let n = 0; n < 30; n++) writeFileSync(join(local, `survey/raw/${n}.txt`), `reading ${n}`);
      writeFileSync(join(local, "survey/notes.txt"), "notes");
      const choose = async () => {
        const chooser = page.waitForEvent("filechooser");
        await page.getByRole("button", { name: "More for files" }).click();
        await page.getByRole("menuitem", { name: "Upload a folder" }).click();
        await (await chooser).setFiles(join(local, "survey"));
      };
      await choose();
      await page.getByText("Uploaded 31 files").waitFor({ timeout: 30_000 });
      expect(await inProject("find survey -type f | wc -l; cat survey/raw/29.txt")).toBe("31\nreading 29");
      writeFileSync(join(local, "survey/notes.txt"), "newer notes");
      rmSync(join(local, "survey/raw"), { recursive: true });
      await choose();
      await page.getByText("There is a survey/notes.txt already").waitFor();
      await shot(page, "files-taken");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Keep both" }).click();
      await until(
        "it is beside",
        async () => (await inProject("ls survey")).includes("notes (2).txt"),
        10_000,
      );
      expect(await inProject("cat survey/notes.txt 'survey/notes (2).txt'")).toBe("notesnewer notes");
    },
    SLOW,
  );

  test(
    "an upload that a reload interrupted goes on where it was, and arrives as it was sent",
    async () => {
      const bytes = randomBytes(60 * 1024 * 1024);
      const big = join(local, "model.bin");
      writeFileSync(big, bytes);
      // Slow enough that there is a middle.
      await page.route("**/files/uploads/*", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        // A reload meanwhile ended it.
        await route.continue().catch(() => {});
      });
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Upload files" }).click();
      await (await chooser).setFiles(big);
      await until(
        "some of it is there",
        async () =>
          Number(
            (await inProject("stat -c %s ~/.local/share/cocalc/uploads/*/data 2>/dev/null || echo 0")).trim(),
          ) > 16_000_000,
        30_000,
      );
      await shot(page, "files-uploading");
      page.once("dialog", (dialog) => void dialog.accept());
      await page.reload();
      await page.unroute("**/files/uploads/*");
      await page.getByText("1 upload interrupted").click();
      await shot(page, "files-interrupted");
      const sent: number[] = [];
      page.on("request", (request) => {
        if (request.method() === "PATCH") sent.push(Number(request.headers()["upload-offset"]));
      });
      const again = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Choose it again" }).click();
      await (await again).setFiles(big);
      await item("model.bin").waitFor({ timeout: 60_000 });
      const sum = createHash("sha256").update(bytes).digest("hex");
      expect(
        (await inProject("sha256sum survey/model.bin model.bin 2>/dev/null || true")).split(" ")[0],
      ).toBe(sum);
      expect(sent[0]).toBeGreaterThan(15_000_000);
      expect(await inProject("ls ~/.local/share/cocalc/uploads")).toBe("");
    },
    SLOW,
  );

  test(
    "deleted, undone; deleted, put back from the trash; emptied",
    async () => {
      await put({ "keep/a.txt": "a", "keep/b.txt": "b", "keep/c.txt": "c" });
      await item("keep").click();
      await item("a.txt").waitFor();
      await item("a.txt").click({ modifiers: ["Control"] });
      await item("c.txt").click({ modifiers: ["Shift"] });
      await item("c.txt").press("Delete");
      await page.getByText("3 items went to the trash").waitFor();
      expect(await inProject("ls keep")).toBe("");
      await page.getByRole("button", { name: "Undo" }).click();
      await item("b.txt").waitFor();
      expect(await inProject("cat keep/*")).toBe("abc");
      await item("b.txt").press("Delete");
      await item("b.txt").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "More for files" }).click();
      await page.getByRole("menuitem", { name: "Trash" }).click();
      await page.getByRole("checkbox", { name: /keep\/b\.txt/ }).check();
      await shot(page, "files-trash");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Put back" }).click();
      await page.getByText("Nothing is in the trash").waitFor();
      expect(await inProject("cat keep/b.txt")).toBe("b");
      await page.keyboard.press("Escape");
      await item("b.txt").press("Delete");
      await item("b.txt").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "More for files" }).click();
      await page.getByRole("menuitem", { name: "Trash" }).click();
      await page.getByRole("button", { name: "Empty the trash" }).click();
      await page.getByRole("button", { name: "Delete for good" }).last().click();
      await page.getByText("Nothing is in the trash").waitFor();
      await page.keyboard.press("Escape");
      expect(await inProject("ls ~/.local/share/Trash/files")).toBe("");
    },
    SLOW,
  );

  test(
    "a hostile page of a file reaches nothing: not the hub's API, not its cookies, not the page around it",
    async () => {
      // Reports what it could do in the only way it has: into its own document.
      const attack = `<h1>quarterly report</h1><script>
const out = []; const say = (what) => { out.push(what); document.title = out.join(","); document.body.dataset.out = out.join(","); };
(async () => {
  say("ran");
  try { document.cookie; say("cookie"); } catch { }
  if (parent !== self) try { parent.document.title; say("parent"); } catch { }
  try { localStorage.length; say("storage"); } catch { }
  for (const mode of ["cors", "no-cors"]) { try { await fetch("/api/me", { credentials: "include", mode }); say("fetch-" + mode); } catch { } }
  try { await fetch("https://example.org/leak"); say("network"); } catch { }
  try { const x = new XMLHttpRequest(); x.open("GET", "/api/projects", false); x.send(); say("xhr"); } catch { }
  try { const w = new WebSocket("ws://" + location.host + "/conat"); w.onopen = () => say("socket"); } catch { }
  try { if (open("/api/me")) say("popup"); } catch { }
  try { await navigator.serviceWorker.register("x.js"); say("worker"); } catch { }
  if (top !== self) try { top.location = "/projects"; say("top"); } catch { }
  const form = document.createElement("form"); form.action = "/api/sign-out"; form.method = "post"; document.body.append(form); try { form.submit(); } catch { }
  setTimeout(() => say("end"), 300);
})();
</script><img src="/api/me" onerror="document.body.dataset.img='blocked'">`;
      await inProject(
        `cat > report.html <<'EOF'\n${attack}\nEOF\ncat > chart.svg <<'EOF'\n<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><rect width="90" height="60" fill="teal"/><script>top.hacked = document.cookie; fetch("/api/me")</script></svg>\nEOF\n`,
      );
      await inProject(
        `cat > README.md <<'EOF'\n# Hello\n<img src=x onerror="top.hacked=1"><script>top.hacked=2</script>\n\n[a](javascript:top.hacked=3)\nEOF\n`,
      );
      // What a frame gets an answer to. (Chromium tells of a request, too, that its own policy never lets out.)
      const answered: string[] = [];
      page.on("response", (response) => {
        const { pathname } = new URL(response.url());
        if (pathname.startsWith("/api/") && response.frame() !== page.mainFrame()) answered.push(pathname);
      });
      await item("report.html").click();
      const frame = () => page.frames().find((one) => one.url().includes("report.html"));
      await until(
        "it is shown",
        async () => (await frame()?.locator("h1").textContent())?.includes("quarterly"),
        10_000,
      );
      expect(await frame()?.evaluate(() => document.body.dataset.out ?? "none")).toBe("none");
      await shot(page, "files-html");
      await page.getByRole("button", { name: "Run its scripts" }).click();
      await until(
        "its scripts ran",
        async () => (await frame()?.evaluate(() => document.body.dataset.out ?? ""))?.endsWith("end"),
        10_000,
      );
      expect(await frame()?.evaluate(() => document.body.dataset.out)).toBe("ran,end");
      expect(page.url()).toContain(`/projects/${project}`);
      await item("chart.svg").click();
      await page.locator(".picture img").waitFor();
      await item("README.md").click();
      await page.getByText("Preview", { exact: true }).last().click();
      const readme = page.frameLocator('iframe[title="README.md"]');
      await readme.getByRole("heading", { name: "Hello" }).waitFor();
      expect(await page.evaluate(() => (globalThis as { hacked?: unknown }).hacked)).toBeUndefined();
      // The same addresses in a tab of their own, where somebody may send a link to.
      for (const [name, title] of [
        ["report.html&scripts=1", "ran"],
        ["chart.svg", ""],
      ] as const) {
        const tab = await page.context().newPage();
        await tab.goto(`${hub.url}/${project}/files/preview?path=${name}`);
        await tab.waitForTimeout(500);
        expect(
          (await tab.title()).split(",").filter((one) => one !== "ran" && one !== "end" && one !== ""),
        ).toEqual([]);
        expect(title === "" ? await tab.evaluate(() => origin) : "null").toBe("null");
        await tab.close();
      }
      expect(answered).toEqual([]);
      // Neither as a picture nor as a script of another page of this machine: the hub demands its own origin.
      const foreign = await fetch(`${hub.url}/${project}/files/download?path=report.html`, {
        headers: { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" },
      });
      expect(foreign.status).toBe(403);
    },
    SLOW,
  );

  test(
    "previews: a table, a notebook, a picture, a PDF; each has a way to the file itself",
    async () => {
      await inProject(
        `seq 1 5000 | awk 'BEGIN{print "id,name,value"}{print $1",\\"row, "$1"\\","$1*2}' > table.csv`,
      );
      await inProject(
        `cat > nb.ipynb <<'EOF'\n{"cells":[{"cell_type":"markdown","source":["# A study"]},{"cell_type":"code","execution_count":1,"source":["1+1"],"outputs":[{"output_type":"execute_result","data":{"text/plain":["2"]}}]}],"nbformat":4}\nEOF\n`,
      );
      const pdf =
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n";
      await inProject(`cat > page.pdf <<'EOF'\n${pdf}EOF\n`);
      await item("table.csv").click();
      await page.getByRole("cell", { name: "row, 3", exact: true }).waitFor();
      await shot(page, "files-csv");
      expect(await seriousProblems(page)).toEqual([]);
      await item("nb.ipynb").click();
      await page.frameLocator('iframe[title="nb.ipynb"]').getByRole("heading", { name: "A study" }).waitFor();
      await shot(page, "files-notebook");
      await item("page.pdf").click();
      await page.locator('iframe[title="page.pdf"]').waitFor();
      // Asked for by the page itself, as the frame does.
      const type = await page.evaluate(
        async (url) => (await fetch(url)).headers.get("content-type"),
        `/${project}/files/preview?path=page.pdf`,
      );
      expect(type).toBe("application/pdf");
      await shot(page, "files-pdf");
    },
    SLOW,
  );

  test(
    "search by content opens what it found; 100,000 entries in one folder scroll",
    async () => {
      await inProject("mkdir -p deep/er && echo 'the albedo is 0.3' > deep/er/constants.txt");
      await page.getByRole("button", { name: "Search in files" }).click();
      await page.getByText("Contents", { exact: true }).click();
      await page.getByLabel("Text in files").fill("ALBEDO");
      await page.getByRole("button", { name: /deep\/er\/constants\.txt/ }).waitFor();
      await page.waitForTimeout(300);
      await shot(page, "files-search");
      expect(await seriousProblems(page)).toEqual([]);
      await page.getByRole("button", { name: /deep\/er\/constants\.txt/ }).click();
      await page.getByRole("tab", { name: "constants.txt" }).waitFor();
      await page.getByRole("button", { name: "Close the search" }).click();
      await inProject("mkdir many && cd many && seq -f 'f%.0f' 1 100000 | xargs touch");
      await item("many").click();
      await item("f1").first().waitFor({ timeout: 30_000 });
      await item("f1").first().press("End");
      await until(
        "its end is shown",
        async () => (await page.getByRole("treeitem").last().textContent()) !== null,
        5_000,
      );
      const count = await page.getByRole("treeitem").count();
      expect(count).toBeLessThan(150);
      await page.evaluate(() => {
        const tree = document.querySelector(".tree");
        if (tree) tree.scrollTop = 26 * 50_000;
      });
      await page
        .getByRole("treeitem", { name: /^f4\d{4}|^f5\d{4}/ })
        .first()
        .waitFor({ timeout: 15_000 });
      await shot(page, "files-many");
    },
    SLOW,
  );

  test(
    "nothing of it said an error, in the dark and on a phone too",
    async () => {
      const known =
        /403|favicon|Content Security Policy|sandboxed|Refused to|Blocked|violates|409|Failed to load resource|net::ERR/;
      expect(watched.errors.filter((one) => !known.test(one))).toEqual([]);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.waitForTimeout(300);
      await shot(page, "files-dark");
      await page.setViewportSize({ width: 390, height: 800 });
      await page.getByRole("button", { name: "Files", exact: true }).click();
      await shot(page, "files-phone");
      expect(await seriousProblems(page)).toEqual([]);
    },
    SLOW,
  );
});
