/** Apps: JupyterLab's page through hub and tunnel beside the same server asked directly, and what is left of traffic. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { callProject } from "../src/contract/project-client.ts";
import { execOk } from "../src/core/exec.ts";
import { pythonApp } from "../test/fixtures/app-trees.ts";
import { launch, trusting } from "../test/fixtures/browser.ts";
import { type ChainLab, openChain } from "../test/fixtures/chain-lab.ts";
import { until } from "../test/fixtures/running-hub.ts";
import { median } from "./bench-load.ts";

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;
const ROUNDS = 5;
const REQUESTS = 10_000;
const SOCKETS = 1_000;
const MIB = 2 ** 20;

/** Milliseconds from the address to the launcher, in a browser that has seen nothing. */
async function pageTime(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const began = performance.now();
  await page.goto(url);
  await page.locator(".jp-LauncherCard").first().waitFor({ timeout: 120_000 });
  const took = performance.now() - began;
  await context.close();
  return took;
}

async function jupyter(lab: ChainLab, row: Row, json: Record<string, unknown>): Promise<void> {
  const [agent] = lab.agents;
  if (!agent) return;
  const tar = await pythonApp("jupyterlab", ["jupyterlab==4.4.10", "ipykernel==6.31.0"]);
  await execOk(["tar", "-C", agent.home, "-xf", tar], { timeout: 120_000 });
  // The agents of this lab run as whoever measures, without a container: Jupyter refuses root unless told.
  mkdirSync(join(agent.home, ".jupyter"), { recursive: true });
  writeFileSync(
    join(agent.home, ".jupyter/jupyter_server_config.json"),
    JSON.stringify({ ServerApp: { allow_root: true } }),
  );
  const peer = agent.browser();
  const app = "jupyterlab";
  await callProject(peer, agent.project_id, "apps.open", { app, start: true });
  const { port } = await until(
    "JupyterLab listens",
    async () => {
      const status = await callProject(peer, agent.project_id, "apps.open", { app, start: false });
      if (status.state === "failed") {
        const { text } = await callProject(peer, agent.project_id, "apps.log", { app, from: 0 });
        throw new Error(`JupyterLab did not start: ${text.slice(-2000)}`);
      }
      return status.state === "running" ? status : undefined;
    },
    120_000,
  );
  const browser = await launch(await trusting(lab.ports.https));
  const path = `/${agent.project_id}/apps/${app}/lab`;
  const times = { ours: [] as number[], direct: [] as number[] };
  try {
    const urls = {
      direct: `http://127.0.0.1:${port}${path}`,
      ours: `https://localhost:${lab.ports.https}${path}`,
    };
    for (const url of Object.values(urls)) await pageTime(browser, url);
    for (let round = 0; round < ROUNDS; round++) {
      times.direct.push(await pageTime(browser, urls.direct));
      times.ours.push(await pageTime(browser, urls.ours));
    }
  } finally {
    await browser.close();
    await callProject(peer, agent.project_id, "apps.stop", { app });
  }
  const [ours, direct] = [median(times.ours), median(times.direct)];
  row(
    "JupyterLab's page complete, TLS, hub, tunnel and host beside direct, ms",
    ours.toFixed(0),
    direct.toFixed(0),
    `${(ours / direct).toFixed(2)}×`,
  );
  json.jupyterlab_page_ms = times;
}

const openFiles = () => readdirSync("/proc/self/fd").length;

/** Hub and host are this process: what grows here grows in either. */
async function flat(lab: ChainLab, row: Row, json: Record<string, unknown>): Promise<void> {
  const upstream = Bun.spawn([process.execPath, join(import.meta.dir, "bench-app.ts"), "27104"]);
  const url = `https://localhost:${lab.ports.apps}/${lab.project_id}/proxy/27104/`;
  const headers = { cookie: lab.cookie(true).replace("Cookie: ", "").trim() };
  const tls = { rejectUnauthorized: false };
  const ask = async (count: number) => {
    for (let n = 0; n < count; n += 20)
      await Promise.all(
        Array.from({ length: 20 }, async () => await (await fetch(url, { headers, tls })).text()),
      );
  };
  const connect = async (count: number) => {
    for (let n = 0; n < count; n += 10)
      await Promise.all(
        Array.from(
          { length: 10 },
          () =>
            new Promise<void>((resolve, reject) => {
              const origin = new URL(url).origin;
              const socket = new WebSocket(url.replace("https", "wss"), {
                headers: { ...headers, origin },
                tls,
              } as never);
              socket.onopen = () => socket.close();
              socket.onclose = () => resolve();
              socket.onerror = () => reject(new Error("a socket was refused"));
            }),
        ),
      );
  };
  const settled = async () => {
    await Bun.sleep(6_000);
    Bun.gc(true);
    return { rss: process.memoryUsage().rss / MIB, files: openFiles() };
  };
  try {
    await until("it listens", async () => (await fetch(url, { headers, tls })).ok, 10_000);
    await ask(REQUESTS / 2);
    await connect(SOCKETS / 2);
    const before = await settled();
    await ask(REQUESTS);
    await connect(SOCKETS);
    const after = await settled();
    row(
      `hub and host after ${REQUESTS} more app requests and ${SOCKETS} sockets, beside before, RSS MiB`,
      after.rss.toFixed(0),
      before.rss.toFixed(0),
      `${(after.rss / before.rss).toFixed(2)}×`,
    );
    row(
      "  open files",
      String(after.files),
      String(before.files),
      `${(after.files / before.files).toFixed(2)}×`,
    );
    json.apps_flat = { before, after };
  } finally {
    upstream.kill();
  }
}

export async function apps(row: Row, json: Record<string, unknown>): Promise<void> {
  const lab = await openChain({ tunnel: true });
  try {
    await flat(lab, row, json);
    await jupyter(lab, row, json);
  } finally {
    await lab.close();
  }
}
