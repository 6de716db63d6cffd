import { expect, test } from "bun:test";
import type { CodedError } from "./errors.ts";
import { parseSize, sizeText } from "./size.ts";

test("what people type", () => {
  expect(["20G", "20GiB", "20 gb", "512M", "1.5T", "4096", "1k"].map(parseSize)).toEqual([
    20 * 2 ** 30,
    20 * 2 ** 30,
    20 * 2 ** 30,
    512 * 2 ** 20,
    1.5 * 2 ** 40,
    4096,
    1024,
  ]);
  for (const bad of ["", "G", "-1G", "1e9", "20X", "0x10", "1 2"]) {
    let code = "none";
    try {
      parseSize(bad);
    } catch (error) {
      ({ code } = error as CodedError);
    }
    expect([bad, code]).toEqual([bad, "size.unclear"]);
  }
});

test("what they read", () => {
  expect([0, 1023, 2 ** 20, 20 * 2 ** 30, 1.5 * 2 ** 40].map(sizeText)).toEqual([
    "0 B",
    "1023 B",
    "1.0 MiB",
    "20.0 GiB",
    "1.5 TiB",
  ]);
});
