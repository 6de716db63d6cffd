/** What a disk does to a pool on a bad day: the power goes, the disk below fills up, the wrong disk is there. */
import { afterAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Watermark } from "../../src/contract/storage.ts";
import type { CodedError } from "../../src/core/errors.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { mountPool, unmountPool } from "../../src/host/storage/pool.ts";
import { poolPlaces } from "../../src/host/storage/pool-record.ts";
import { deviceErrors } from "../../src/host/storage/scrub.ts";
import { sizePool } from "../../src/host/storage/sizing.ts";
import { directoryTarget } from "../../src/host/storage/target.ts";
import { type PoolLab, startPoolLab, whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoPool();
const dirs: string[] = [];
const tempDir = () => {
  const dir = mkdtempSync(join(tmpdir(), "bad-day-"));
  dirs.push(dir);
  return dir;
};
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

/** Writes files one after another, syncs each, and only then notes its name: what is noted was acknowledged. */
function writer(dir: string, notes: string) {
  const script = `i=0; while :; do i=$((i + 1)); head -c 20000 /dev/urandom >f$i && sync f$i && md5sum f$i >>"$0"; done`;
  const proc = Bun.spawn(["setsid", "sh", "-c", script, notes], {
    cwd: dir,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  return {
    acknowledged: () => (existsSync(notes) ? readFileSync(notes, "utf8").split("\n").length - 1 : 0),
    async kill() {
      // setsid made it the leader of its group.
      process.kill(-proc.pid, "SIGKILL");
      await proc.exited;
    },
  };
}

async function until(good: () => boolean, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!good()) {
    if (Date.now() > end) throw new Error("it did not come to pass in time");
    await Bun.sleep(20);
  }
}

/** How many of the noted files are whole. */
async function whole(dir: string, notes: string): Promise<number> {
  const { stdout } = await exec(["md5sum", "--check", "--quiet", notes], { cwd: dir });
  return readFileSync(notes, "utf8").split("\n").length - 1 - stdout.split("\n").filter(Boolean).length;
}

describe.skipIf(why !== undefined)(`a pool on a bad day${why ? ` (skipped: ${why})` : ""}`, () => {
  for (const mode of ["preallocated", "sparse"] as const) {
    test(`power loss while files are written, ${mode}: every acknowledged one is there`, async () => {
      const lab = await startPoolLab({ plan: { mode } });
      const image = join(tempDir(), "copy");
      try {
        const id = randomUUID();
        const { home } = await lab.storage.create(id);
        mkdirSync(home);
        // No commit by the clock: between the kill and the copy only what fsync wrote is on the device.
        await execOk(["mount", "-o", "remount,commit=300", lab.places.pool]);
        const notes = join(tempDir(), "notes");
        const writes = writer(home, notes);
        await until(() => writes.acknowledged() >= 60);
        await writes.kill();
        writeFileSync(join(home, "never-synced"), "x".repeat(100_000));
        await execOk(["cp", "--sparse=always", lab.places.image, image]);
        const lost = statSync(lab.places.image).size;
        expect(statSync(image).size).toBe(lost);
        await unmountPool(lab.places);
        // The machine comes back with what was on the device.
        rmSync(lab.places.image);
        await execOk(["mv", image, lab.places.image]);
        await mountPool(lab.places);
        expect(existsSync(join(home, "never-synced"))).toBe(false);
        expect(await whole(home, notes)).toBe(writes.acknowledged());
        expect(Object.values(await deviceErrors(lab.places)).every((count) => count === 0)).toBe(true);
        expect(lab.storage.has(id)).toBe(true);
      } finally {
        await lab.stop();
      }
    }, 120_000);
  }

  test("the disk below a sparse image fills up: warn, refuse, stop; btrfs sees no error; nothing acknowledged is lost", async () => {
    const dir = tempDir();
    const disk = join(dir, "disk");
    const backing = join(dir, "backing");
    await execOk(["truncate", "--size=14G", disk]);
    await execOk(["mkfs.ext4", "-q", "-m", "0", disk]);
    mkdirSync(backing);
    await execOk(["mount", "-o", "loop", disk, backing]);
    let lab: PoolLab | undefined;
    try {
      const data = join(backing, "storage");
      mkdirSync(data);
      const target = await directoryTarget(data, join(data, "none"), []);
      const sized = sizePool(target);
      const home = { path: "" };
      const notes = join(tempDir(), "notes");
      const marks: Watermark[] = [];
      let writes: ReturnType<typeof writer> | undefined;
      let stopped = false;
      lab = await startPoolLab({
        dir: data,
        plan: { mode: "sparse", ...sized },
        async stopAll() {
          await writes?.kill();
          stopped = true;
        },
      });
      const { watch, storage, places } = lab;
      const id = randomUUID();
      home.path = (await storage.create(id)).home;
      mkdirSync(home.path);
      writes = writer(home.path, notes);
      await until(() => (writes?.acknowledged() ?? 0) >= 5);
      watch.start();
      expect(() => watch.admit()).not.toThrow();
      // Somebody else takes the disk, 100 MB at a time, until nothing is left of it.
      for (let n = 0; ; n++) {
        const more = await exec(["fallocate", "--length", "100M", join(backing, `other-${n}`)]);
        if (marks.at(-1) !== watch.mark) marks.push(watch.mark);
        if (watch.mark === "refuse") {
          let code = "";
          try {
            watch.admit();
          } catch (error) {
            code = (error as CodedError).code;
          }
          expect(code).toBe("storage.nearly-full");
        }
        if (more.code !== 0) break;
        await Bun.sleep(60);
      }
      await until(() => stopped);
      await Bun.sleep(500);
      expect(marks).toEqual(["ok", "warn", "refuse", "stop"]);
      expect((await storage.facts()).watermark).toBe("stop");
      const acknowledged = writes.acknowledged();
      expect(acknowledged).toBeGreaterThan(10);
      // The very last block.
      await exec(["dd", "if=/dev/zero", `of=${join(backing, "last")}`, "bs=4k"], { timeout: 60_000 });
      expect(await whole(home.path, notes)).toBe(acknowledged);
      expect(Object.values(await deviceErrors(places)).every((count) => count === 0)).toBe(true);
      await unmountPool(places);
      await execOk(["sh", "-c", `rm ${backing}/other-* ${backing}/last`]);
      await mountPool(places);
      expect(await whole(home.path, notes)).toBe(acknowledged);
      // With room again, so is the ballast, and work is taken.
      await until(() => watch.mark === "ok" && existsSync(places.ballast));
      expect(() => watch.admit()).not.toThrow();
    } finally {
      await lab?.stop();
      await exec(["umount", backing]);
    }
  }, 120_000);

  test("an image whose UUID is not the recorded one is not mounted", async () => {
    const lab = await startPoolLab();
    const other = await startPoolLab();
    try {
      await unmountPool(lab.places);
      await unmountPool(other.places);
      await execOk(["cp", "--sparse=always", other.places.image, lab.places.image]);
      const failed = await mountPool(lab.places).then(
        () => undefined,
        (error: CodedError) => error,
      );
      expect(failed?.code).toBe("storage.wrong-uuid");
      expect((await exec(["losetup", "--associated", lab.places.image])).stdout).toBe("");
      expect(await lab.storage.create(randomUUID()).catch((error: CodedError) => error.code)).toBe(
        "storage.not-mounted",
      );
      rmSync(lab.places.image);
      expect(await mountPool(lab.places).catch((error: CodedError) => error.code)).toBe("storage.wrong-uuid");
    } finally {
      await lab.stop();
      await other.stop();
    }
  }, 60_000);

  test("killed between each two steps of making it, a second run finishes", async () => {
    const lab = await startPoolLab();
    const { places } = lab;
    await unmountPool(places);
    // After the record, before the rename.
    await execOk(["mv", places.image, `${places.image}.new`]);
    await mountPool(places);
    expect(existsSync(places.image)).toBe(true);
    // Mounted already: nothing is done.
    await mountPool(places);
    await lab.stop();
    expect(poolPlaces(places.storage).pool).toBe(places.pool);
  }, 60_000);
});
