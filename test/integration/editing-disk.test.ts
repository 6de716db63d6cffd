/** A file that people edit on a disk that fills: nothing that a page was told is kept is lost, and the page says why the rest waits. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec, execOk } from "../../src/core/exec.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";
import { editPages } from "../fixtures/edit-page.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;
let lab: AgentLab | undefined;
let home = "";
const { page, until, ready, saved, links } = editPages(() => lab!);
const onDisk = (name: string) => readFileSync(join(home, name), "utf8");

beforeAll(async () => {
  if (!ROOT) return;
  home = mkdtempSync(join(tmpdir(), "full-home-"));
  await execOk(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", home]);
  lab = await startAgent(undefined, { home });
}, SLOW);
afterAll(async () => {
  for (const link of links) link.close();
  await lab?.stop();
  if (home === "") return;
  await exec(["umount", "--lazy", home]);
  rmSync(home, { recursive: true, force: true });
}, SLOW);

test.skipIf(!ROOT)(
  `the disk fills while two type, and the agent is killed${ROOT ? "" : " (skipped: needs root, for a disk of its own)"}`,
  async () => {
    writeFileSync(join(home, "full.txt"), "start\n");
    writeFileSync(join(home, "other.txt"), "other\n");
    const [ada, ben, gone] = [
      page("full.txt"),
      page("full.txt", { name: "Ben" }),
      page("other.txt", { name: "Eve" }),
    ];
    await Promise.all([ready(ada), ready(ben), ready(gone)]);
    ada.type("start", "start, and more");
    gone.type("other", "other, acknowledged");
    await Promise.all([saved(ada), until("it is kept", () => gone.state().unkept === 0)]);

    const filler = join(home, "filler");
    expect((await exec(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"])).code).not.toBe(0);
    const many = "a line that finds no room\n".repeat(20_000);
    ada.doc().getText("text").insert(ada.link.text.length, many);
    ben.type("start", "begin");
    await until("both pages say it", () =>
      [ada, ben].every((one) => one.state().problem?.code === "file.no-space"),
    );
    // It is on the way to the other person all the same, and never called saved.
    await until("they see each other's", () => ada.link.text === `begin, and more\n${many}`);
    await until("the other too", () => ben.link.text === ada.link.text);
    expect(ada.state().unsaved).toBeGreaterThan(0);
    expect(onDisk("full.txt")).not.toContain("no room");
    expect(onDisk("full.txt")).toContain(", and more\n");

    // Who was told "kept" has left; the two are cut off; the disk is as full as before.
    gone.link.close();
    for (const one of [ada, ben]) one.offline(true);
    await lab?.restart("SIGKILL");
    for (const one of [ada, ben]) one.offline(false);
    await until("both pages say it again", () =>
      [ada, ben].every((one) => one.state().problem?.code === "file.no-space"),
    );
    rmSync(filler);
    await Promise.all([saved(ada), saved(ben)]);
    await until("all of it is in the file", () => onDisk("full.txt") === `begin, and more\n${many}`);
    await until("what was acknowledged too", () => onDisk("other.txt") === "other, acknowledged\n");
  },
  SLOW,
);
