/** Keystrokes to terminals whose program sends each one back, for the benches. */
import { callProject, openProject } from "../src/contract/project-client.ts";

/** Says `ready`, then echoes what it reads, byte by byte. */
export const ECHO_ARGV = ["bash", "-c", "stty raw -echo; echo ready; exec cat"];

export interface Terminal {
  write(bytes: Uint8Array): unknown;
  /** Called when something came back; whoever waits for it sets this. */
  echoed: () => void;
}

/** A terminal of a project, through conat, in which `ECHO_ARGV` is ready. */
export async function openEcho(
  peer: Parameters<typeof callProject>[0],
  projectId: string,
): Promise<Terminal> {
  const { terminal_id } = await callProject(peer, projectId, "terminal.create", { argv: ECHO_ARGV });
  const { stream } = await openProject(peer, projectId, "terminal.attach", {
    terminal_id,
    rows: 24,
    cols: 80,
  });
  const terminal: Terminal = { write: (bytes) => stream.write(bytes), echoed: () => {} };
  let seen = "";
  stream.onData((bytes) => {
    seen = (seen + new TextDecoder().decode(bytes)).slice(-50);
    terminal.echoed();
  });
  while (!seen.includes("ready")) await Bun.sleep(5);
  return terminal;
}

/**
 * Milliseconds until each of `count` keys came back, one after another, round the terminals; every tenth rests for
 * `restMs`: a person's pace is slower, and timers and the collector get in.
 */
export async function strike(terminals: Terminal[], count: number, restMs: number): Promise<number[]> {
  await Bun.sleep(500);
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const terminal = terminals[n % terminals.length] as Terminal;
    const back = new Promise<void>((resolve) => {
      terminal.echoed = resolve;
    });
    const since = performance.now();
    await terminal.write(new Uint8Array([97 + (n % 26)]));
    await back;
    times.push(performance.now() - since);
    if (n % 10 === 0) await Bun.sleep(restMs);
  }
  return times;
}
