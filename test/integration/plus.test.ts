/** Plus as a person starts it: the hub's binary alone, a directory, a browser. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { cleanEnv } from "../../src/core/exec.ts";
import { processesOf } from "../../src/host/process/own-processes.ts";
import { launch, seriousProblems, shot, terminalShows, typeLine, watchedPage } from "../fixtures/browser.ts";
import { buildOnce, freeBasePort, HUB_BINARY, until } from "../fixtures/running-hub.ts";

let base: string;
let dir: string;
let port: number;
let running: ReturnType<typeof spawnPlus> | undefined;
let browser: Browser;

function spawnPlus() {
  const chunks: string[] = [];
  const proc = Bun.spawn(
    [HUB_BINARY, "plus", dir, "--data-dir", join(base, "data"), "--base-port", String(port)],
    {
      cwd: "/",
      env: cleanEnv({ HOME: base }),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  for (const stream of [proc.stdout, proc.stderr])
    void (async () => {
      for await (const chunk of stream) chunks.push(new TextDecoder().decode(chunk));
    })();
  return { proc, said: () => chunks.join("") };
}

async function start(): Promise<string> {
  running = spawnPlus();
  const { proc, said } = running;
  return await until(
    "Plus prints its address",
    async () => {
      if (proc.exitCode !== null) throw new Error(said());
      return /(http:\/\/localhost:\d+\/open\?token=\S+)/.exec(said())?.[1];
    },
    15_000,
  );
}
async function end(signal: NodeJS.Signals): Promise<void> {
  running?.proc.kill(signal);
  await running?.proc.exited;
}

beforeAll(async () => {
  await buildOnce();
  base = mkdtempSync(join(tmpdir(), "cc-plus-"));
  dir = join(base, "work");
  mkdirSync(dir);
  writeFileSync(join(dir, "notes.md"), "# Notes\n");
  port = freeBasePort();
  browser = await launch();
}, 300_000);
// Whatever a test left running, its terminals too.
afterEach(() => end("SIGINT"));
afterAll(async () => {
  await browser?.close();
  rmSync(base, { recursive: true, force: true });
});

test("a directory in the browser; terminals outlive the server; Ctrl-C leaves nothing", async () => {
  const url = await start();
  const { page, errors } = await watchedPage(browser, "dark");
  await page.goto(url);
  await page.waitForURL(/\/projects\/[0-9a-f-]{36}$/);
  expect(page.url()).not.toContain("token");
  const id = page.url().split("/").at(-1) ?? "";
  await page.getByText("notes.md").first().waitFor();
  // Nothing of a team's: no list of projects, no people, no hosts.
  expect(await page.getByRole("link", { name: "Projects", exact: true }).count()).toBe(0);
  await typeLine(page, "pwd; echo $HOME; X=kept-$((40+2))");
  await terminalShows(page, new RegExp(`${dir}\\s+${base}`));
  // What listens elsewhere on the machine is not the project's.
  expect(await page.getByText(String(port)).count()).toBe(0);
  expect(await seriousProblems(page)).toEqual([]);
  await shot(page, "plus-dark");

  const before = processesOf(id);
  expect(before.length).toBeGreaterThan(1);
  await end("SIGKILL");
  const again = await start();
  // The token and the cookie outlive it too.
  expect(again).toBe(url);
  await page.reload();
  await page
    .getByRole("tab", { name: /Terminal|sh/ })
    .first()
    .click();
  await typeLine(page, "echo $X");
  await terminalShows(page, /kept-42/);
  expect(processesOf(id)).toEqual(expect.arrayContaining(before));
  const fresh = errors.filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(text));
  expect(fresh).toEqual([]);

  await end("SIGINT");
  expect(processesOf(id)).toEqual([]);
  expect(readFileSync(join(dir, "notes.md"), "utf8")).toBe("# Notes\n");
}, 60_000);

test("loopback alone, by its own names, with its token; nothing of a team", async () => {
  const url = await start();
  const at = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers, method, redirect: "manual" });
  const listening = readFileSync("/proc/net/tcp", "utf8") + readFileSync("/proc/net/tcp6", "utf8");
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const addresses = [...listening.matchAll(new RegExp(`: ([0-9A-F]+):${hex} [0-9A-F:]+ 0A`, "g"))].map(
    (match) => match[1],
  );
  expect(addresses.length).toBeGreaterThan(0);
  for (const address of addresses)
    expect(["0100007F", "00000000000000000000000001000000"]).toContain(address ?? "");
  for (const other of [port + 1, port + 2, port + 3, port + 4])
    expect(listening).not.toContain(`:${other.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`);

  const token = new URL(url).searchParams.get("token") ?? "";
  expect((await at("/open?token=wrong")).status).toBe(403);
  expect((await at(`/open?token=${token}`, { host: `evil.example:${port}` })).status).toBe(421);
  const opened = await at(`/open?token=${token}`);
  expect(opened.status).toBe(303);
  const cookie = opened.headers.get("set-cookie")?.split(";")[0] ?? "";
  expect(opened.headers.get("set-cookie")).toMatch(/HttpOnly; SameSite=Lax/);
  const site = { "sec-fetch-site": "same-origin" };
  expect((await at("/api/me", site)).status).toBe(401);
  expect((await at("/api/me", { ...site, cookie })).status).toBe(200);
  // DNS rebinding, and a page on another port of this very machine.
  expect((await at("/api/me", { ...site, cookie, host: `evil.example:${port}` })).status).toBe(421);
  expect((await at("/api/me", { "sec-fetch-site": "same-site", cookie })).status).toBe(403);
  expect((await at("/api/me", { ...site, cookie, origin: "http://localhost:1" })).status).toBe(403);
  for (const [method, path] of [
    ["POST", "/api/projects"],
    ["GET", "/api/users"],
    ["POST", "/api/auth/sign-in/email"],
    ["POST", "/api/join-tokens"],
  ] as const)
    expect((await at(path, { ...site, cookie }, method)).status, path).toBe(404);
  const me = (await (await at("/api/me", { ...site, cookie })).json()) as { hub: { product: string } };
  expect(me.hub.product).toBe("plus");

  // A web server of the project: an origin of its own, on the same port.
  const web = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("from the app") });
  try {
    const projects = (await (await at("/api/projects", { ...site, cookie })).json()) as {
      project_id: string;
    }[];
    const id = projects[0]?.project_id;
    const { page } = await watchedPage(browser);
    await page.goto(url);
    await page.goto(`http://localhost:${port}/${id}/proxy/${web.port}/`);
    await page.getByText("from the app").waitFor();
    expect(new URL(page.url()).host).toBe(`${id}.localhost:${port}`);
    // From there the hub's API is out of reach.
    const reached = await page.evaluate(
      (target) => fetch(target, { credentials: "include" }).then((r) => r.status, String),
      `http://localhost:${port}/api/me`,
    );
    expect(reached).not.toBe(200);
  } finally {
    await web.stop(true);
  }

  // A second one on the same directory is told of the first.
  const second = spawnPlus();
  expect(await second.proc.exited).not.toBe(0);
  expect(second.said()).toMatch(/held by another process/);
  // SIGTERM is a restart: the agent lives on, and Ctrl-C of the next ends it.
  await end("SIGTERM");
  expect(existsSync(join(base, "data/project-host/run/p"))).toBe(true);
  await start();
  await end("SIGINT");
}, 60_000);
