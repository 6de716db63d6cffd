/**
 * Keystroke echo while many terminals are open: 200 in two agents, a viewer on each, keys going round. Beside it the
 * same keys to as many bare pseudo-terminals of this very process, with nothing of ours in between.
 * Usage: bun scripts/bench-terminals.ts [keystrokes] [path of a compiled agent]
 */
import { callProject, openProject } from "../src/contract/project-client.ts";
import { startAgent } from "../test/fixtures/agent-lab.ts";

const TERMINALS = 200;
const PER_AGENT = 100;
const ARGV = ["bash", "-c", "stty raw -echo; echo ready; exec cat"];
const count = Number(process.argv[2] ?? 4000);
const binary = process.argv[3];

interface Way {
  write(bytes: Uint8Array): unknown;
  /** What came is told to whoever set this. */
  echoed: () => void;
}

function figures(times: number[]) {
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  return { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
}

async function keys(ways: Way[]) {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const way = ways[i % ways.length] as Way;
    const back = new Promise<void>((resolve) => {
      way.echoed = resolve;
    });
    const since = performance.now();
    await way.write(new Uint8Array([97 + (i % 26)]));
    await back;
    times.push(performance.now() - since);
    if (i % 10 === 0) await Bun.sleep(1);
  }
  return figures(times);
}

async function ours() {
  const labs = await Promise.all(
    Array.from({ length: TERMINALS / PER_AGENT }, () =>
      startAgent(binary === undefined ? undefined : [binary]),
    ),
  );
  try {
    const ways: Way[] = [];
    for (const lab of labs) {
      const peer = lab.browser();
      for (let n = 0; n < PER_AGENT; n++) {
        const { terminal_id } = await callProject(peer, lab.project_id, "terminal.create", { argv: ARGV });
        const { stream } = await openProject(peer, lab.project_id, "terminal.attach", {
          terminal_id,
          rows: 24,
          cols: 80,
        });
        const way: Way = { write: (bytes) => stream.write(bytes), echoed: () => {} };
        let seen = "";
        stream.onData((bytes) => {
          seen = (seen + new TextDecoder().decode(bytes)).slice(-50);
          way.echoed();
        });
        while (!seen.includes("ready")) await Bun.sleep(5);
        ways.push(way);
      }
    }
    await Bun.sleep(500);
    return await keys(ways);
  } finally {
    await Promise.all(labs.map((lab) => lab.stop()));
  }
}

async function bare() {
  const procs: Bun.Subprocess[] = [];
  try {
    const ways: Way[] = [];
    for (let n = 0; n < TERMINALS; n++) {
      const way: Way = { write: () => {}, echoed: () => {} };
      let ready = false;
      const proc = Bun.spawn(ARGV, {
        terminal: {
          data(_terminal: unknown, bytes: Uint8Array) {
            if (new TextDecoder().decode(bytes).includes("ready")) ready = true;
            way.echoed();
          },
        },
      } as never) as unknown as Bun.Subprocess & { terminal: { write(bytes: Uint8Array): void } };
      way.write = (bytes) => proc.terminal.write(bytes);
      procs.push(proc);
      while (!ready) await Bun.sleep(2);
      ways.push(way);
    }
    await Bun.sleep(500);
    return await keys(ways);
  } finally {
    for (const proc of procs) proc.kill("SIGKILL");
  }
}

const [through, direct] = [await ours(), await bare()];
console.log(JSON.stringify({ terminals: TERMINALS, ours: through, peer: direct }));
process.exit(0);
