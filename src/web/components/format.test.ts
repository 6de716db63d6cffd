import { expect, test } from "bun:test";
import { ago, bytes, initials, isOlder, plural, visible } from "./format.ts";

test("times are relative under seven days", () => {
  const now = Date.parse("2026-03-10T12:00:00Z");
  expect(ago(null)).toBe("never");
  expect(ago("2026-03-10T11:59:30Z", now)).toBe("just now");
  expect(ago("2026-03-10T11:22:00Z", now)).toBe("38 min ago");
  expect(ago("2026-03-10T09:00:00Z", now)).toBe("3 h ago");
  expect(ago("2026-03-08T09:00:00Z", now)).toBe("2 d ago");
  expect(ago("2026-01-01T09:00:00Z", now)).toContain("2026");
});

test("sizes are binary, with one decimal under 100", () => {
  expect(bytes(0)).toBe("0 B");
  expect(bytes(1023)).toBe("1023 B");
  expect(bytes(1536)).toBe("1.5 KiB");
  expect(bytes(31.4 * 2 ** 30)).toBe("31.4 GiB");
  expect(bytes(250 * 2 ** 30)).toBe("250 GiB");
});

test("a name hides and reorders nothing", () => {
  expect(visible("a\u202egpj.exe")).toBe("a␣gpj.exe");
  expect(visible("a\nb\u200bc")).toBe("a␣b␣c");
  expect(visible("  a b ")).toBe("␣␣a b␣");
  expect(visible("潮汐解析")).toBe("潮汐解析");
});

test("initials", () => {
  expect(initials("Ada Lovelace")).toBe("AL");
  expect(initials("  lena ")).toBe("L");
  expect(initials("葵 田中")).toBe("葵");
  expect(initials("")).toBe("?");
});

test("one and many", () => {
  expect(plural(1, "host")).toBe("1 host");
  expect(plural(0, "host")).toBe("0 hosts");
});

test("versions are compared by their numbers", () => {
  expect(isOlder("0.1.0", "0.2.0")).toBe(true);
  expect(isOlder("0.9.1", "0.10.0")).toBe(true);
  expect(isOlder("1.0.0", "0.10.3")).toBe(false);
  expect(isOlder("0.2.0", "0.2.0")).toBe(false);
  expect(isOlder("0.2.0-source", "0.2.0")).toBe(false);
  expect(isOlder("0.1.0-3-gabc", "0.2.0-1-gdef")).toBe(true);
});
