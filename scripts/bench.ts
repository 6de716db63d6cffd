/** Speed and memory, side by side with peers in one run. Ratios are what counts: absolute figures are this machine's. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Project } from "../src/contract/api.ts";
import { processesOf } from "../test/fixtures/processes.ts";
import { startHub, until } from "../test/fixtures/running-hub.ts";
import { apps } from "./bench-apps.ts";
import { backups } from "./bench-backups.ts";
import { download, type Load, load, median, quantile, webSocketEcho } from "./bench-load.ts";
import { plus, terminals } from "./bench-plus.ts";
import { ssh } from "./bench-ssh-rows.ts";
import { storage } from "./bench-storage.ts";
import { twoHops } from "./bench-two-hops.ts";

const root = resolve(import.meta.dir, "..");
const flag = (name: string) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const only = flag("--only");
const rows: { what: string; ours: string; peer: string; ratio: string }[] = [];
const json: Record<string, unknown> = {};
const STARTS = 5;
const AGENTS = 50;

function row(what: string, ours: string, peer = "", ratio = ""): void {
  rows.push({ what, ours, peer, ratio });
}
async function listening(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

/** Ours and configurable-http-proxy in turn, twice, on one upstream. */
async function proxy(): Promise<void> {
  const [ours, peer, app] = [27_101, 27_102, 27_104];
  const chp = join(root, "node_modules/configurable-http-proxy/bin/configurable-http-proxy");
  const children = [
    Bun.spawn([process.execPath, join(root, "scripts/bench-app.ts"), String(app)], { stderr: "inherit" }),
    Bun.spawn([process.execPath, join(root, "scripts/bench-relay.ts"), String(ours), String(app)], {
      stderr: "inherit",
    }),
    Bun.spawn(
      [
        "node",
        chp,
        "--ip",
        "127.0.0.1",
        "--port",
        String(peer),
        "--api-port",
        "27103",
        "--default-target",
        `http://127.0.0.1:${app}`,
        "--log-level",
        "error",
      ],
      { stderr: "inherit" },
    ),
  ];
  try {
    for (const port of [app, ours, peer]) await until("it listens", () => listening(port), 15_000);
    const url = (port: number) => `http://127.0.0.1:${port}/`;
    for (const port of [ours, peer]) await load(url(port), 8);
    for (const connections of [32, 256]) {
      const measured: Record<number, Load[]> = { [ours]: [], [peer]: [] };
      for (let round = 0; round < 2; round++)
        for (const port of [ours, peer]) measured[port]?.push(await load(url(port), connections));
      const of = (port: number, key: keyof Load) => median((measured[port] ?? []).map((one) => one[key]));
      row(
        `proxy, ${connections} connections, req/s`,
        of(ours, "perSecond").toFixed(0),
        of(peer, "perSecond").toFixed(0),
        `${(of(ours, "perSecond") / of(peer, "perSecond")).toFixed(2)}×`,
      );
      for (const key of ["p50_ms", "p99_ms"] as const) {
        row(
          `proxy, ${connections} connections, ${key}`,
          of(ours, key).toFixed(2),
          of(peer, key).toFixed(2),
          `${(of(ours, key) / of(peer, key)).toFixed(2)}×`,
        );
      }
      json[`proxy_${connections}`] = measured;
    }
    const speeds = { ours: [] as number[], peer: [] as number[] };
    for (let round = 0; round < 3; round++) {
      speeds.ours.push(await download(`${url(ours)}big`));
      speeds.peer.push(await download(`${url(peer)}big`));
    }
    row(
      "proxy, 64 MiB download, MiB/s",
      median(speeds.ours).toFixed(0),
      median(speeds.peer).toFixed(0),
      `${(median(speeds.ours) / median(speeds.peer)).toFixed(2)}×`,
    );
    for (const [sockets, rounds] of [
      [1, 3000],
      [32, 500],
    ] as const) {
      const echoes = async (port: number) => {
        const rates: number[] = [];
        const times: number[] = [];
        for (let round = 0; round < 3; round++) {
          const said = await webSocketEcho(url(port).replace("http", "ws"), sockets, rounds);
          rates.push(said.perSecond);
          times.push(...said.times);
        }
        return { rate: median(rates), p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
      };
      const [mine, theirs] = [await echoes(ours), await echoes(peer)];
      const name = `WebSocket echo, ${sockets} sockets`;
      const times = (a: number, b: number) => `${(a / b).toFixed(2)}×`;
      row(`${name}, per second`, mine.rate.toFixed(0), theirs.rate.toFixed(0), times(mine.rate, theirs.rate));
      for (const key of ["p50", "p99"] as const)
        row(
          `${name}, ${key}, ms`,
          mine[key].toFixed(3),
          theirs[key].toFixed(3),
          times(mine[key], theirs[key]),
        );
      json[`websocket_${sockets}`] = { ours: mine, peer: theirs };
    }
  } finally {
    for (const child of children) child.kill();
  }
}

/** Kilobytes of one kind in /proc/<pid>/smaps_rollup. */
function memory(pid: number, kind: "Rss" | "Pss"): number {
  try {
    return Number(
      new RegExp(`^${kind}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ??
        0,
    );
  } catch {
    return 0;
  }
}
function agents(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(
          "/opt/cocalc/cocalc-project-host\0agent",
        );
      } catch {
        return false;
      }
    });
}

async function system(): Promise<void> {
  const before = new Set(agents());
  let began = performance.now();
  const hub = await startHub();
  row("start of the hub to its first answer, ms", (performance.now() - began).toFixed(0));
  try {
    const file = join(hub.dataDir, "password");
    writeFileSync(file, "correct horse battery\n");
    await hub.json("setup", "--email", "bench@example.com", "--password-file", file);
    began = performance.now();
    await until(
      "the host is ready",
      async () => (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready",
      60_000,
    );
    const make = async (name: string) =>
      (await hub.json<Project>("project", "create", "--name", name)).project_id;
    await Bun.sleep(5_000);
    const first = await make("warm");
    await hub.json("project", "start", first);
    const starts: number[] = [];
    for (let n = 0; n < STARTS; n++) {
      await hub.json("project", "stop", first);
      began = performance.now();
      await hub.json("project", "start", first);
      await hub.cli("project", "exec", first, "--", "true");
      starts.push(performance.now() - began);
    }
    row("project start (warm image) to its first command, p50, ms", median(starts).toFixed(0));
    json.project_start_ms = starts;
    const part = (name: string, verb: string) =>
      processesOf(hub.dataDir).find((one) => (one.argv[0] ?? "").endsWith(name) && one.argv[1] === verb)
        ?.pid ?? 0;
    row("hub, RSS idle, MiB", (memory(part("cocalc-hub", "serve"), "Rss") / 1024).toFixed(0));
    row(
      "host daemon, RSS idle, MiB",
      (memory(part("cocalc-project-host", "serve"), "Rss") / 1024).toFixed(0),
    );
    row("helper, RSS idle, MiB", (memory(part("cocalc-project-host", "helper"), "Rss") / 1024).toFixed(0));
    for (let n = 1; n < AGENTS; n++) await hub.json("project", "start", await make(`idle-${n}`));
    await Bun.sleep(3_000);
    const mine = agents().filter((pid) => !before.has(pid));
    const pss = mine.map((pid) => memory(pid, "Pss")).reduce((a, b) => a + b, 0) / 1024;
    row(`${mine.length} idle agents together, PSS, MiB`, pss.toFixed(0));
    json.agents = { count: mine.length, pss_mib: pss };
  } finally {
    await hub.stop();
  }
}

async function echo(): Promise<void> {
  const proc = Bun.spawn([process.execPath, join(root, "scripts/bench-echo.ts"), "1000"], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = (await new Response(proc.stdout).text()).trim();
  row("keystroke echo through router and agent", said.split("\n").pop() ?? "");
}

async function files(): Promise<void> {
  const proc = Bun.spawn([process.execPath, join(root, "scripts/bench-files.ts")], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = (await new Response(proc.stdout).text()).trim().split("\n").pop() ?? "";
  const measured = JSON.parse(said) as Record<"up" | "down" | "scp_up" | "scp_down", number[]> & {
    bytes: number;
    grown_bytes: number[];
  };
  const speed = (seconds: number[]) => measured.bytes / 2 ** 20 / median(seconds);
  for (const [what, ours, peer] of [
    ["upload (hashed parts) beside scp, MiB/s", "up", "scp_up"],
    ["download beside scp, MiB/s", "down", "scp_down"],
  ] as const) {
    const [a, b] = [speed(measured[ours]), speed(measured[peer])];
    row(`${what}, through hub, tunnel, host and agent`, a.toFixed(0), b.toFixed(0), `${(a / b).toFixed(2)}×`);
  }
  row(
    "memory gained meanwhile, MiB: hub, host, agent",
    measured.grown_bytes.map((one) => (one / 2 ** 20).toFixed(0)).join(", "),
  );
  json.files = measured;
}

const parts: Record<string, () => Promise<void>> = {
  proxy,
  echo,
  terminals: () => terminals(row, json),
  plus: () => plus(row, json),
  "two-hops": () => twoHops(row, json),
  files,
  ssh: () => ssh(row, json),
  apps: () => apps(row, json),
  storage: () => storage(row, json),
  backups: () => backups(row, json),
  system,
};
for (const [name, run] of Object.entries(parts)) if (only === undefined || only === name) await run();
const columns = ["what", "ours", "peer", "ratio"] as const;
const widths = columns.map((key) => Math.max(key.length, ...rows.map((one) => one[key].length)));
const print = (cells: readonly string[]) =>
  console.log(
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
print(columns);
for (const one of rows) print(columns.map((key) => one[key]));
const out = flag("--json");
if (out !== undefined) writeFileSync(out, `${JSON.stringify({ rows, ...json }, null, 2)}\n`);
process.exit(0);
