import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WriteBehind } from "./write-behind.ts";

async function inFile(run: (file: FileHandle, path: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "write-behind-"));
  const path = join(dir, "file");
  const file = await open(path, "w");
  try {
    await run(file, path);
  } finally {
    await file.close();
    rmSync(dir, { recursive: true });
  }
}

test("pieces of all sizes, more than one call takes, behind what is there", async () => {
  await inFile(async (file, path) => {
    await file.write("before");
    const writer = new WriteBehind(file, 6);
    const pieces = Array.from({ length: 3000 }, (_, n) => randomBytes(n % 1000 === 999 ? 3_000_000 : n % 50));
    for (const piece of pieces) await writer.add(piece);
    await writer.done();
    const all = Buffer.concat([Buffer.from("before"), ...pieces]);
    expect(writer.written).toBe(all.length);
    expect(readFileSync(path).equals(all)).toBe(true);
  });
});

test("a call that takes a part is followed by another, and no more is held than may be", async () => {
  await inFile(async (file, path) => {
    let most = 0;
    let given = 0;
    const slow = {
      async writev(pieces: Uint8Array[], at: number) {
        most = Math.max(most, given - at);
        await Bun.sleep(1);
        const some = Buffer.concat(pieces).subarray(0, 700_001);
        await file.write(some, 0, some.length, at);
        return { bytesWritten: some.length };
      },
    };
    const writer = new WriteBehind(slow as never, 0);
    const pieces = Array.from({ length: 100 }, () => randomBytes(200_000));
    for (const piece of pieces) {
      given += piece.length;
      await writer.add(piece);
    }
    await writer.done();
    expect(readFileSync(path).equals(Buffer.concat(pieces))).toBe(true);
    expect(most).toBeLessThan(4 * 2 ** 20);
  });
});

test("what a write met is told by the next piece and at the end, and what was written before it is known", async () => {
  const broken = {
    calls: 0,
    async writev(pieces: Uint8Array[]) {
      this.calls += 1;
      if (this.calls > 1) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      return { bytesWritten: pieces[0]?.length ?? 0 };
    },
  };
  const writer = new WriteBehind(broken as never, 100);
  await writer.add(new Uint8Array(10));
  await writer.add(new Uint8Array(20));
  expect(writer.done()).rejects.toThrow("no space");
  await writer.done().catch(() => {});
  expect(writer.add(new Uint8Array(1))).rejects.toThrow("no space");
  expect(writer.written).toBe(110);
});
