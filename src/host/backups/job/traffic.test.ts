import { expect, test } from "bun:test";
import { carriedBytes, createTrafficWatch } from "./traffic.ts";

test("what connections with a process of ours carried, both ways", () => {
  const lines = [
    '0 0 127.0.0.1:40120 127.0.0.1:9201 users:(("ssh",pid=7,fd=3)) cubic rto:204 bytes_sent:5000 bytes_acked:4900 bytes_received:70000 segs_out:9',
    "0 0 127.0.0.1:40121 127.0.0.1:9201 cubic bytes_acked:1 bytes_received:999999",
    '0 0 [::1]:40122 [::1]:9201 users:(("rustic",pid=8,fd=9)) cubic bytes_received:100',
  ].join("\n");
  expect(carriedBytes(lines)).toBe(75_000);
  expect(carriedBytes("")).toBe(0);
});

test("a slow line goes on; keep-alives alone, or no way to see it, do not count", async () => {
  let bytes: number | undefined = 1_000_000;
  let moves = 0;
  const watch = createTrafficWatch(
    () => {
      moves += 1;
    },
    async () => bytes,
  );
  const began = performance.now();
  const at = (s: number) => watch.tick(began + s * 1_000);
  await at(5);
  bytes += 900_000;
  // The first look says only where it stands.
  await at(21);
  expect([moves, watch.since]).toEqual([0, 0]);
  bytes += 40_000;
  await at(32);
  expect([moves, watch.since]).toEqual([0, 40_000]);
  bytes += 40_000;
  await at(43);
  expect([moves, watch.since]).toEqual([1, 80_000]);
  for (let n = 1; n <= 5; n++) {
    bytes += 100;
    await at(43 + n * 11);
  }
  expect(moves).toBe(1);
  // Made anew: counted from there on.
  bytes = 10;
  await at(120);
  bytes = 100_000;
  await at(131);
  expect([moves, watch.since > 150_000]).toEqual([2, true]);
  bytes = undefined;
  await at(142);
  expect(moves).toBe(2);
  watch.moved();
  expect(watch.since).toBe(0);
});
