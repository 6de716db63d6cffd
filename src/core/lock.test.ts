import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acquireLock } from "./lock.ts";

const path = join(mkdtempSync(join(tmpdir(), "lock-")), "lock");

test("a second owner is told who holds it, and a death lets go of it", async () => {
  const script = `import { acquireLock } from ${JSON.stringify(join(import.meta.dir, "lock.ts"))};
    acquireLock(${JSON.stringify(path)}, "first");
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  await reader.read();
  expect(() => acquireLock(path, "second")).toThrow("held by another process");
  child.kill("SIGKILL");
  await child.exited;
  const lock = acquireLock(path, "second");
  lock.release();
});
