import { expect, test } from "bun:test";
import { ago, bytes, visible } from "./format.ts";

test("times, sizes and names as a person reads them", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  expect(ago("2026-11-24T11:22:00Z", now)).toBe("38 min ago");
  expect(ago(null)).toBe("never");
  expect(bytes(33_715_493_273)).toBe("31.4 GiB");
  expect(bytes(512)).toBe("512 B");
  expect(visible("a\u202eb")).toBe("a␣b");
});
