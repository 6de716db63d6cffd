import { expect, test } from "bun:test";
import fc from "fast-check";
import { Ring } from "./ring.ts";

test("a ring holds the tail of what was written, at its offsets", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.uint8Array({ maxLength: 60 })),
      (capacity, chunks) => {
        const ring = new Ring(capacity);
        const all: number[] = [];
        for (const chunk of chunks) {
          ring.push(chunk);
          all.push(...chunk);
        }
        expect(ring.end).toBe(all.length);
        expect(ring.start).toBe(Math.max(0, all.length - capacity));
        for (let from = ring.start; from <= ring.end; from += 3) {
          const got: number[] = [];
          while (from + got.length < ring.end) got.push(...ring.slice(from + got.length, 7));
          expect(got).toEqual(all.slice(from));
        }
      },
    ),
  );
});
