import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { supervise } from "./supervise.ts";

const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};
async function until(probe: () => boolean): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (probe()) return;
    await Bun.sleep(30);
  }
  throw new Error("not in time");
}

test("a killed child comes back; stop leaves nothing, grandchildren included", async () => {
  const dir = mkdtempSync(join(tmpdir(), "supervise-"));
  const file = join(dir, "grandchild");
  const supervisor = supervise();
  supervisor.start({ name: "a", argv: ["sh", "-c", `sleep 1000 & echo $! >> ${file}; wait`] });
  await until(() => supervisor.pids().a !== undefined);
  const first = supervisor.pids().a ?? 0;
  process.kill(first, "SIGKILL");
  await until(() => (supervisor.pids().a ?? first) !== first);
  await Bun.sleep(100);
  const started = readFileSync(file, "utf8").trim().split("\n").map(Number);
  const grandchild = started.pop() ?? 0;
  // Of the first, if it came so far: it outlives one that is killed, and we leave none behind.
  for (const orphan of started) process.kill(orphan, "SIGKILL");
  expect(alive(grandchild)).toBe(true);
  await supervisor.stop();
  // Killed, but perhaps not yet collected on a busy machine.
  await until(() => !alive(grandchild));
  expect(supervisor.pids()).toEqual({});
});

test("a status that means give up is told, not retried", async () => {
  const supervisor = supervise();
  supervisor.start({ name: "b", argv: ["sh", "-c", "exit 78"], giveUpOn: [78] });
  expect(await supervisor.gaveUp).toEqual({ name: "b", code: 78 });
});
