/**
 * Keystroke echo: browser peer → router → unix socket → agent → PTY (cat in raw mode) and back, on one machine.
 * Usage: bun scripts/bench-echo.ts [keystrokes] [path of a compiled agent]
 */
import { callProject, openProject } from "../src/contract/project-client.ts";
import { startAgent } from "../test/fixtures/agent-lab.ts";

const count = Number(process.argv[2] ?? 2000);
const binary = process.argv[3];
const lab = await startAgent(binary === undefined ? undefined : [binary]);
try {
  const peer = lab.browser();
  const argv = ["bash", "-c", "stty raw -echo; echo ready; exec cat"];
  const { terminal_id } = await callProject(peer, lab.project_id, "terminal.create", { argv });
  const { stream } = await openProject(peer, lab.project_id, "terminal.attach", {
    terminal_id,
    rows: 24,
    cols: 80,
  });
  let echoed = () => {};
  let seen = "";
  stream.onData((bytes) => {
    seen = (seen + new TextDecoder().decode(bytes)).slice(-100);
    echoed();
  });
  while (!seen.includes("ready")) await Bun.sleep(10);
  await Bun.sleep(100);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const back = new Promise<void>((resolve) => {
      echoed = resolve;
    });
    const since = performance.now();
    await stream.write(new Uint8Array([97 + (i % 26)]));
    await back;
    times.push(performance.now() - since);
    // A person's pace is slower; some rest lets timers and the collector in.
    if (i % 10 === 0) await Bun.sleep(1);
  }
  times.sort((a, b) => a - b);
  const at = (part: number) =>
    (times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0).toFixed(3);
  console.log(`echo of ${count} keystrokes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
} finally {
  await lab.stop();
}
process.exit(0);
