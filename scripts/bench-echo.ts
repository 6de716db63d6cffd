/**
 * Keystroke echo: browser peer → router → unix socket → agent → PTY (cat in raw mode) and back, on one machine.
 * Usage: bun scripts/bench-echo.ts [keystrokes] [path of a compiled agent]
 */
import { startAgent } from "../test/fixtures/agent-lab.ts";
import { openEcho, strike } from "./bench-keys.ts";
import { quantile } from "./bench-load.ts";

const count = Number(process.argv[2] ?? 2000);
const binary = process.argv[3];
const lab = await startAgent(binary === undefined ? undefined : [binary]);
try {
  const times = await strike([await openEcho(lab.browser(), lab.project_id)], count, 1);
  const at = (part: number) => quantile(times, part).toFixed(3);
  console.log(`echo of ${count} keystrokes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
} finally {
  await lab.stop();
}
process.exit(0);
