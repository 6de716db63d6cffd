import { expect, test } from "bun:test";
import { FixedWindow } from "./fixed-window.ts";

test("refuses beyond the limit, and the window opens again though tries went on", () => {
  let now = 0;
  const limit = new FixedWindow(2, 1000, () => now);
  limit.take("a");
  limit.take("a");
  for (now = 100; now < 1000; now += 100) expect(() => limit.take("a")).toThrow("Too many tries");
  limit.take("b");
  now = 1000;
  limit.take("a");
});
