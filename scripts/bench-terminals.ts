/**
 * Keystroke echo while many terminals are open: 200 in two agents, a viewer on each, keys going round. Beside it the
 * same keys to as many bare pseudo-terminals of this very process, with nothing of ours in between.
 * Usage: bun scripts/bench-terminals.ts [keystrokes] [path of a compiled agent]
 */
import { startAgent } from "../test/fixtures/agent-lab.ts";
import { ECHO_ARGV, openEcho, strike, type Terminal } from "./bench-keys.ts";
import { quantile } from "./bench-load.ts";

const TERMINALS = 200;
const PER_AGENT = 100;
const count = Number(process.argv[2] ?? 4000);
const binary = process.argv[3];

function figures(times: number[]) {
  return { p50_ms: quantile(times, 0.5), p99_ms: quantile(times, 0.99), max_ms: quantile(times, 1) };
}

async function ours() {
  const labs = await Promise.all(
    Array.from({ length: TERMINALS / PER_AGENT }, () =>
      startAgent(binary === undefined ? undefined : [binary]),
    ),
  );
  try {
    const terminals: Terminal[] = [];
    for (const lab of labs) {
      const peer = lab.browser();
      for (let n = 0; n < PER_AGENT; n++) terminals.push(await openEcho(peer, lab.project_id));
    }
    return figures(await strike(terminals, count, 1));
  } finally {
    await Promise.all(labs.map((lab) => lab.stop()));
  }
}

async function bare() {
  const procs: Bun.Subprocess[] = [];
  try {
    const terminals: Terminal[] = [];
    for (let n = 0; n < TERMINALS; n++) {
      const terminal: Terminal = { write: () => {}, echoed: () => {} };
      let ready = false;
      const proc = Bun.spawn(ECHO_ARGV, {
        terminal: {
          data(_pty: unknown, bytes: Uint8Array) {
            if (new TextDecoder().decode(bytes).includes("ready")) ready = true;
            terminal.echoed();
          },
        },
      } as never) as unknown as Bun.Subprocess & { terminal: { write(bytes: Uint8Array): void } };
      terminal.write = (bytes) => proc.terminal.write(bytes);
      procs.push(proc);
      while (!ready) await Bun.sleep(2);
      terminals.push(terminal);
    }
    return figures(await strike(terminals, count, 1));
  } finally {
    for (const proc of procs) proc.kill("SIGKILL");
  }
}

const [through, direct] = [await ours(), await bare()];
console.log(JSON.stringify({ terminals: TERMINALS, ours: through, peer: direct }));
process.exit(0);
