/**
 * The life of a pool by its commands, on real loop devices: planned, made, grown online and at boot, preallocated,
 * on a device of its own, adopted, refused, scrubbed, balanced.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec, execOk } from "../../src/core/exec.ts";
import { type PoolPlaces, poolPlaces, readPoolRecord } from "../../src/host/storage/pool-record.ts";
import { wasMadeWithSimpleQuotas } from "../../src/host/storage/superblock.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { buildOnce, HOST_BINARY, until } from "../fixtures/running-hub.ts";
import { hasSimpleQuotas, whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoPool() ?? (process.platform === "linux" ? undefined : "needs Linux");
const GB = 1e9;
const SLOW = 120_000;

interface Grown {
  from: number;
  to: number;
  preallocated: boolean;
}

describe.skipIf(why !== undefined)(`a pool's life${why ? ` (skipped: ${why})` : ""}`, () => {
  const dir = mkdtempSync(join(tmpdir(), "pool-life-"));
  const backing = join(dir, "backing");
  const dataDirs: string[] = [];
  const loops: string[] = [];

  /** `cocalc-project-host storage …`; what it printed, or the code it was refused with. */
  async function storage<T>(dataDir: string, ...args: string[]): Promise<T & { refused?: string }> {
    const argv = [HOST_BINARY, "storage", ...args, "--data-dir", dataDir, "--json"];
    const { code, stdout, stderr } = await exec(argv, { timeout: SLOW });
    if (code === 0) return JSON.parse(stdout) as T & { refused?: string };
    const line = stderr.split("\n").find((one) => one.startsWith("{"));
    return { refused: (JSON.parse(line ?? "{}") as { code?: string }).code ?? stderr } as T & {
      refused: string;
    };
  }
  const refusal = async (dataDir: string, ...args: string[]) =>
    (await storage<object>(dataDir, ...args)).refused;
  const fresh = (below: string): { dataDir: string; places: PoolPlaces } => {
    const dataDir = mkdtempSync(join(below, "data-"));
    dataDirs.push(dataDir);
    return { dataDir, places: poolPlaces(join(dataDir, "project-host/storage")) };
  };
  const disk = async (size: string): Promise<{ file: string; device: string }> => {
    const file = join(dir, `disk-${loops.length}`);
    await execOk(["truncate", `--size=${size}`, file]);
    const device = (await execOk(["losetup", "--find", "--show", file])).trim();
    loops.push(device);
    return { file, device };
  };
  const sizeOfFs = async (path: string): Promise<number> => {
    const [blocks, size] = (await execOk(["stat", "--file-system", "--format=%b %S", path])).split(" ");
    return Number(blocks) * Number(size);
  };
  const mountOf = (places: PoolPlaces) =>
    readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .find((line) => line.includes(` ${places.pool} `)) ?? "";

  beforeAll(async () => {
    await buildOnce();
    const file = join(dir, "backing.ext4");
    await execOk(["truncate", "--size=40G", file]);
    await execOk(["mkfs.ext4", "-q", "-m", "0", file]);
    mkdirSync(backing);
    await execOk(["mount", "-o", "loop", file, backing]);
  }, SLOW);
  afterAll(async () => {
    for (const dataDir of dataDirs) await removeDataDir(dataDir);
    for (const device of loops) await exec(["losetup", "--detach", device]);
    await exec(["umount", backing]);
    rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test(
    "planned without a trace; grown online under a writer, at boot, and after a cut; then all its room is taken",
    async () => {
      const { dataDir, places } = fresh(backing);
      // Somebody else has half of the disk.
      await execOk(["fallocate", "--length", "18G", join(backing, "other")]);
      const plan = await storage<{ action: string; size_bytes: number; reasons: string[] }>(
        dataDir,
        "plan",
        "--sparse",
      );
      expect([plan.action, plan.size_bytes > 10 * GB, plan.size_bytes < 16 * GB]).toEqual([
        "image",
        true,
        true,
      ]);
      expect(plan.reasons.join()).toContain("reserve: max(5 GB, 20 %");
      expect(existsSync(places.storage)).toBe(false);
      await storage(dataDir, "init", "--sparse");
      expect(lstatSync(places.image).size).toBe(plan.size_bytes);
      expect(wasMadeWithSimpleQuotas(places.image)).toBe(hasSimpleQuotas());
      expect(await refusal(dataDir, "init")).toBe("storage.pool-exists");

      const data = randomBytes(30_000_000);
      writeFileSync(join(places.pool, "data"), data);
      const notes = join(dir, "notes");
      const script = `i=0; while :; do i=$((i + 1)); head -c 20000 /dev/urandom >w$i && sync w$i && md5sum w$i >>"$0"; done`;
      const writer = Bun.spawn(["sh", "-c", script, notes], {
        cwd: places.pool,
        stdio: ["ignore", "ignore", "ignore"],
      });
      await until("it has written", async () => existsSync(notes) && readFileSync(notes).length > 0, 60_000);
      // Part of the ballast's room is the reserve's: nothing is to be had yet.
      expect((await storage<Grown>(dataDir, "grow")).to).toBe(plan.size_bytes);
      await execOk(["truncate", "--size=8G", join(backing, "other")]);
      const before = await sizeOfFs(places.pool);
      const grown = await storage<Grown>(dataDir, "grow");
      expect([grown.from, grown.to - grown.from > 9 * GB]).toEqual([plan.size_bytes, true]);
      expect((await sizeOfFs(places.pool)) - before).toBe(grown.to - grown.from);
      writer.kill("SIGKILL");
      await writer.exited;
      const noted = readFileSync(notes, "utf8").trim().split("\n").length;
      expect(noted).toBeGreaterThan(0);
      expect((await exec(["md5sum", "--check", "--quiet", notes], { cwd: places.pool })).code).toBe(0);

      // At boot.
      await storage(dataDir, "unmount");
      rmSync(join(backing, "other"));
      await storage(dataDir, "mount");
      const atBoot = lstatSync(places.image).size;
      expect(atBoot - grown.to).toBeGreaterThan(7 * GB);
      expect(await sizeOfFs(places.pool)).toBe(atBoot);
      // Cut off after the file was enlarged, before the file system was.
      await execOk(["btrfs", "filesystem", "resize", "-2G", places.pool]);
      await storage(dataDir, "unmount");
      await storage(dataDir, "mount");
      expect(await sizeOfFs(places.pool)).toBe(atBoot);

      const taken = await storage<Grown>(dataDir, "grow", "--preallocate");
      expect(taken.preallocated).toBe(true);
      expect(lstatSync(places.image).blocks * 512).toBeGreaterThanOrEqual(taken.to);
      expect(readPoolRecord(places)?.mode).toBe("preallocated");
      expect(mountOf(places)).not.toContain("discard");
      expect(existsSync(places.ballast)).toBe(false);
      expect(readFileSync(join(places.pool, "data")).equals(data)).toBe(true);
      await storage(dataDir, "unmount");
      await storage(dataDir, "mount");
      expect(lstatSync(places.image).blocks * 512).toBeGreaterThanOrEqual(taken.to);

      // A later installation finds the image without its record.
      const { uuid } = readPoolRecord(places) ?? { uuid: "" };
      await storage(dataDir, "unmount");
      rmSync(places.record);
      expect(await refusal(dataDir, "init")).toBe("storage.image-there");
      const adopted = await storage<{ uuid: string; counted: string }>(dataDir, "init", "--adopt");
      expect([adopted.uuid, adopted.counted]).toEqual([uuid, hasSimpleQuotas() ? "simple" : "polled"]);
      expect(readFileSync(join(places.pool, "data")).equals(data)).toBe(true);
      await storage(dataDir, "unmount");
    },
    SLOW * 2,
  );

  test(
    "a device of its own: used whole, followed when it grows; what has data is refused, or adopted when told",
    async () => {
      const { dataDir, places } = fresh(dir);
      const small = await disk("2G");
      expect(await refusal(dataDir, "init", "--device", small.device)).toBe("storage.too-small");
      expect(await refusal(dataDir, "init", "--device", join(dir, "none"))).toBe("storage.no-device");
      expect(await refusal(dataDir, "init", "--device", small.file)).toBe("storage.no-device");
      const { file, device } = await disk("6G");
      expect((await storage<{ action: string }>(dataDir, "plan", "--device", device)).action).toBe("format");
      await storage(dataDir, "init", "--device", device);
      expect([readPoolRecord(places)?.mode, mountOf(places).includes(device)]).toEqual(["device", true]);
      writeFileSync(join(places.pool, "mine"), "kept");
      const second = fresh(dir);
      expect(await refusal(second.dataDir, "init", "--device", device)).toBe("storage.device-in-use");
      await execOk(["truncate", "--size=8G", file]);
      await execOk(["losetup", "--set-capacity", device]);
      const grown = await storage<Grown>(dataDir, "grow");
      expect(grown.to - grown.from).toBe(2 * 2 ** 30);
      await storage(dataDir, "unmount");
      await storage(dataDir, "mount");
      expect(readFileSync(join(places.pool, "mine"), "utf8")).toBe("kept");
      await storage(dataDir, "unmount");

      // Another host's, or an earlier installation's: never by accident.
      expect(await refusal(second.dataDir, "init", "--device", device)).toBe("storage.device-has-data");
      const plan = await storage<{ action: string }>(second.dataDir, "plan", "--device", device, "--adopt");
      expect(plan.action).toBe("adopt");
      await storage(second.dataDir, "init", "--device", device, "--adopt");
      writeFileSync(join(second.places.pool, "theirs"), "beside it");
      expect(existsSync(join(second.places.pool, "mine"))).toBe(false);
      await storage(second.dataDir, "unmount");
      const at = join(dir, "look");
      mkdirSync(at);
      await execOk(["mount", device, at]);
      expect(readFileSync(join(at, "mine"), "utf8")).toBe("kept");
      expect(readFileSync(join(at, "cocalc/theirs"), "utf8")).toBe("beside it");
      await execOk(["umount", at]);

      await execOk(["wipefs", "--all", "--quiet", device]);
      await execOk(["mkfs.ext4", "-q", device]);
      const third = fresh(dir);
      expect(await refusal(third.dataDir, "init", "--device", device)).toBe("storage.device-has-data");
      expect(await refusal(third.dataDir, "init", "--device", device, "--adopt")).toBe(
        "storage.cannot-adopt",
      );
      // The disk was swapped under a host that knows its own by UUID.
      expect(await refusal(dataDir, "mount")).toBe("storage.wrong-uuid");
    },
    SLOW,
  );

  test(
    "a scrub finds a block that the disk changed, and says so with its exit status; balance gives room back",
    async () => {
      const { dataDir, places } = fresh(dir);
      const { file, device } = await disk("6G");
      await storage(dataDir, "init", "--device", device);
      const sound = await storage<{ errors: number }>(dataDir, "scrub");
      expect(sound.errors).toBe(0);
      expect(await storage<{ due?: boolean }>(dataDir, "scrub", "--due")).toEqual({ due: false });
      const data = randomBytes(4_000_000);
      writeFileSync(join(places.pool, "data"), data);
      expect(await storage<{ said: string }>(dataDir, "balance")).toHaveProperty("said");
      await storage(dataDir, "unmount");
      await flip(file, data.subarray(1_000_000, 1_000_064));
      await storage(dataDir, "mount");
      const { code, stdout } = await exec([HOST_BINARY, "storage", "scrub", "--data-dir", dataDir, "--json"]);
      const found = JSON.parse(stdout) as { errors: number; uncorrectable: number };
      expect([code, found.errors > 0, found.uncorrectable > 0]).toEqual([74, true, true]);
      await storage(dataDir, "unmount");
      renameSync(file, `${file}.done`);
    },
    SLOW,
  );

  /** Changes one byte where a sparse file holds these bytes. */
  async function flip(file: string, bytes: Buffer): Promise<void> {
    const script = [
      "import os,sys",
      "fd=os.open(sys.argv[1],os.O_RDWR); want=bytes.fromhex(sys.argv[2]); at=0; size=os.fstat(fd).st_size",
      "while True:",
      "  try: start=os.lseek(fd,at,os.SEEK_DATA)",
      "  except OSError: sys.exit(1)",
      "  at=os.lseek(fd,start,os.SEEK_HOLE)",
      "  found=os.pread(fd,at-start,start).find(want)",
      "  if found>=0:",
      "    os.pwrite(fd,bytes([want[0]^255]),start+found); os.fsync(fd); sys.exit(0)",
    ].join("\n");
    await execOk(["python3", "-c", script, file, bytes.toString("hex")]);
  }
});
