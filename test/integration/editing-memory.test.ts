/** An agent with many files open at once: all pages get theirs, and what that takes of memory is bounded. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../fixtures/agent-lab.ts";
import { type EditPage, editPages } from "../fixtures/edit-page.ts";

const FILES = 20;
const MIB = 1024 * 1024;
/** MiB beyond what one open file needs. */
const SIZES = [
  { kib: 64, most: 60 },
  { kib: 1024, most: 260 },
];

for (const { kib, most } of SIZES) {
  test(`${FILES} files of ${kib} KiB, each open to two who type: less than ${most} MiB`, async () => {
    const lab = await startAgent();
    const { page, ready, saved, links } = editPages(() => lab);
    try {
      // What editing needs at all is loaded.
      writeFileSync(join(lab.home, "first.txt"), "x\n");
      const first = page("first.txt");
      await ready(first);
      first.type("x", "xy");
      await saved(first);
      const before = await lab.rss();
      const line = `${"0123456789 ".repeat(7)}\n`;
      const text = line.repeat((kib * 1024) / line.length);
      const pages: EditPage[] = [];
      for (let n = 0; n < FILES; n++) {
        writeFileSync(join(lab.home, `${n}.txt`), text);
        for (const name of ["Ada", "Ben"]) pages.push(page(`${n}.txt`, { name }));
      }
      let peak = 0;
      const timer = setInterval(async () => {
        peak = Math.max(peak, await lab.rss().catch(() => 0));
      }, 50);
      for (const one of pages) await ready(one);
      for (let round = 0; round < 5; round++) {
        for (const one of pages) one.doc().getText("text").insert(round, `${round};`);
        await Bun.sleep(20);
      }
      for (const one of pages) await saved(one);
      clearInterval(timer);
      console.log(
        `${FILES} × ${kib} KiB: from ${mib(before)} MiB to ${mib(peak)} at the most, ${mib(await lab.rss())} at rest`,
      );
      expect(mib(peak - before)).toBeLessThan(most);
    } finally {
      for (const link of links) link.close();
      await lab.stop();
    }
  }, 90_000);
}

const mib = (bytes: number) => Math.round(bytes / MIB);
