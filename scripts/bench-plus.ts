/** Plus's start, and keystroke echo among many terminals. Each beside a peer in the same run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cleanEnv } from "../src/core/exec.ts";
import { buildOnce, HUB_BINARY } from "../test/fixtures/running-hub.ts";
import { median } from "./bench-load.ts";

const root = resolve(import.meta.dir, "..");
const STARTS = 5;
const [PLUS_PORT, PEER_PORT] = [27_200, 27_210];

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;
interface Echo {
  p50_ms: number;
  p99_ms: number;
}

async function answers(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

export async function terminals(row: Row, json: Record<string, unknown>): Promise<void> {
  const proc = Bun.spawn([process.execPath, join(root, "scripts/bench-terminals.ts")], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = (await new Response(proc.stdout).text()).trim().split("\n").pop() ?? "{}";
  const { ours, peer } = JSON.parse(said) as { ours: Echo; peer: Echo };
  for (const key of ["p50_ms", "p99_ms"] as const)
    row(
      `200 terminals, echo, ${key.slice(0, 3)}, ms (peer: bare pseudo-terminals)`,
      ours[key].toFixed(2),
      peer[key].toFixed(2),
      `${(ours[key] / peer[key]).toFixed(2)}×`,
    );
  json.terminals = { ours, peer };
}

/** From the program's start to its printed address with the project running, and the project's own part of it. */
export async function plus(row: Row, json: Record<string, unknown>): Promise<void> {
  await buildOnce();
  const base = mkdtempSync(join(tmpdir(), "bench-plus-"));
  const ready: number[] = [];
  const starts: number[] = [];
  const servers: number[] = [];
  try {
    for (let n = 0; n < STARTS; n++) {
      const argv = [HUB_BINARY, "plus", base, "--data-dir", join(base, ".s"), "--base-port", `${PLUS_PORT}`];
      let began = performance.now();
      const proc = Bun.spawn(argv, {
        cwd: "/",
        env: cleanEnv({ HOME: base }),
        stdout: "pipe",
        stderr: "pipe",
      });
      const first = await proc.stdout.getReader().read();
      if (first.done) throw new Error(await new Response(proc.stderr).text());
      ready.push(performance.now() - began);
      proc.kill("SIGINT");
      const said = await new Response(proc.stderr).text();
      await proc.exited;
      const timings = /"project runs".*?"container":(\d+),"agent":(\d+)/.exec(said);
      if (timings) starts.push(Number(timings[1]) + Number(timings[2]));
      began = performance.now();
      const peer = Bun.spawn(["python3", "-m", "http.server", `${PEER_PORT}`, "--bind", "127.0.0.1"], {
        cwd: base,
        stdout: "ignore",
        stderr: "ignore",
      });
      while (!(await answers(PEER_PORT))) await Bun.sleep(2);
      servers.push(performance.now() - began);
      peer.kill();
      await peer.exited;
    }
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  row(
    "Plus: program to project ready, p50, ms (peer: python3 -m http.server to its port)",
    median(ready).toFixed(0),
    median(servers).toFixed(0),
    `${(median(ready) / median(servers)).toFixed(2)}×`,
  );
  row("Plus: project start with runtime process, p50, ms", median(starts).toFixed(0));
  json.plus = { ready, starts, servers };
}
