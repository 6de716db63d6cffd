/** With `cat` in the place of ssh: both give back what they are told until they are ended. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStateFile } from "../../core/state-file.ts";
import { endHeldSsh, type HeldSsh, holdSsh } from "./held-ssh.ts";

const ECHO = ["sh", "-c", "exec cat"];
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cc-held-"));
});
afterEach(async () => {
  await endHeldSsh(dir);
  rmSync(dir, { recursive: true });
});
const pid = () => readStateFile(join(dir, "tunnel.json"), (value) => (value as { pid: number }).pid);

async function answers(ssh: HeldSsh, text: string): Promise<boolean> {
  const heard = new Promise<boolean>((resolve) => {
    let all = "";
    ssh.onData((more) => {
      all += more;
      if (all.includes(`${text}\n`)) resolve(true);
    });
  });
  ssh.write(`${text}\n`);
  return await Promise.race([heard, Bun.sleep(5_000).then(() => false)]);
}

test("the next one takes it over, and nothing of it is lost", async () => {
  const first = await holdSsh(dir, ECHO);
  expect(first.adopted).toBe(false);
  expect(await answers(first, "1")).toBe(true);
  const before = pid();
  first.release();
  const second = await holdSsh(dir, ECHO);
  expect([second.adopted, pid()]).toEqual([true, before]);
  expect(await answers(second, "2")).toBe(true);
  second.kill();
  await second.ended;
  expect(pid()).toBeUndefined();
});

test("one with other arguments is ended; what it says at its end is told", async () => {
  const first = await holdSsh(dir, ECHO);
  first.release();
  const second = await holdSsh(dir, ["sh", "-c", "echo Permission denied >&2; exit 255"]);
  expect(second.adopted).toBe(false);
  expect((await second.ended).trim()).toBe("Permission denied");
});

test("a number that is somebody else's by now is left alone", async () => {
  const first = await holdSsh(dir, ECHO);
  first.kill();
  await first.ended;
  await Bun.write(join(dir, "tunnel.json"), JSON.stringify({ pid: process.pid, argv: ECHO }));
  const second = await holdSsh(dir, ECHO);
  expect(second.adopted).toBe(false);
  expect(await answers(second, "3")).toBe(true);
});
