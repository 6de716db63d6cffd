import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GB, grownSize, MIN_POOL_BYTES, reserveOf, sizeDevice, sizePool, watermarkOf } from "./sizing.ts";

const MiB = 2 ** 20;
const disk = fc
  .record({
    total: fc.integer({ min: 9_000, max: 40_000_000 }),
    part: fc.double({ min: 0.2, max: 1, noNaN: true }),
  })
  .map(({ total, part }) => ({ total_bytes: total * MiB, free_bytes: Math.floor(total * part) * MiB }));
/** What ext4 itself takes to note where an image's blocks are: an extent per 128 MiB, 340 to a block. */
const noted = (bytes: number) => Math.ceil(bytes / (128 * MiB) / 340 + 8) * 4096;

describe("sizing", () => {
  test("the examples that the docs give", () => {
    expect(reserveOf(20 * GB)).toBeGreaterThan(4.99 * GB);
    expect(reserveOf(250 * GB) / GB).toBeCloseTo(50, 1);
    expect(reserveOf(4000 * GB) / GB).toBeCloseTo(100, 1);
    const alone = sizePool({ total_bytes: 500 * GB, free_bytes: 400 * GB, shared_with_backups: false });
    expect(alone.size_bytes / GB).toBeCloseTo(300, 1);
    const shared = sizePool({ total_bytes: 500 * GB, free_bytes: 400 * GB, shared_with_backups: true });
    expect(shared.size_bytes / GB).toBeCloseTo(150, 1);
    expect(
      sizePool({ total_bytes: 20 * GB, free_bytes: 9.9 * GB, shared_with_backups: false }).size_bytes,
    ).toBe(0);
    expect(sizeDevice(4 * GB)).toBe(0);
  });

  test("an image filled to the brim, alone, never crosses a mark; the reserve is kept", () => {
    fc.assert(
      fc.property(disk, fc.boolean(), (fs, shared_with_backups) => {
        const { size_bytes, reserve_bytes, ballast_bytes } = sizePool({ ...fs, shared_with_backups });
        if (size_bytes === 0) return;
        expect(size_bytes).toBeGreaterThanOrEqual(MIN_POOL_BYTES - MiB);
        expect(size_bytes % 4096).toBe(0);
        const free = fs.free_bytes - size_bytes - ballast_bytes - noted(size_bytes);
        expect(free).toBeGreaterThan(0);
        expect(watermarkOf(free, ballast_bytes, reserve_bytes)).toBe("ok");
      }),
      { numRuns: 2000 },
    );
  });

  test("an image that grew, however full it was and whatever went away beside it, does not cross one either", () => {
    fc.assert(
      fc.property(
        disk,
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (fs, shared_with_backups, full, freed) => {
          const first = sizePool({ ...fs, shared_with_backups });
          if (first.size_bytes === 0) return;
          const held_bytes = Math.floor(first.size_bytes * full);
          const others = fs.total_bytes - fs.free_bytes;
          const free_bytes = Math.floor(fs.free_bytes + others * freed - held_bytes - first.ballast_bytes);
          // The ballast is given back before growing is thought of, and taken again after it.
          const now = {
            total_bytes: fs.total_bytes,
            free_bytes: free_bytes + first.ballast_bytes,
            held_bytes,
          };
          const grown = grownSize(first.size_bytes, { ...now, shared_with_backups });
          if (grown === undefined) return;
          expect(grown).toBeGreaterThan(first.size_bytes);
          const left = now.free_bytes + held_bytes - grown - first.ballast_bytes - noted(grown);
          expect(watermarkOf(left, first.ballast_bytes, first.reserve_bytes)).toBe("ok");
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("as it fills up from elsewhere: warn, refuse, stop, in this order, the last with room to write what is in memory", () => {
    fc.assert(
      fc.property(disk, (fs) => {
        const { size_bytes, reserve_bytes, ballast_bytes } = sizePool({ ...fs, shared_with_backups: false });
        if (size_bytes === 0) return;
        const seen: string[] = [];
        for (let free = reserve_bytes - ballast_bytes; free >= 0; free -= reserve_bytes / 100) {
          const mark = watermarkOf(free, ballast_bytes, reserve_bytes);
          if (mark === "stop" && seen.at(-1) !== "stop") expect(free).toBeGreaterThan(reserve_bytes / 10);
          if (seen.at(-1) !== mark) seen.push(mark);
        }
        expect(seen).toEqual(["ok", "warn", "refuse", "stop"]);
      }),
      { numRuns: 200 },
    );
  });
});
