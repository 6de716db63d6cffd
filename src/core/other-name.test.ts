import { expect, test } from "bun:test";
import { otherName } from "./other-name.ts";

test.each([
  ["report.csv", "report (2).csv"],
  ["/home/user/a.b/report.tar.gz", "/home/user/a.b/report.tar (2).gz"],
  ["a.b/Makefile", "a.b/Makefile (2)"],
  ["a/.profile", "a/.profile (2)"],
])("%s is %s", (path, other) => expect(otherName(path, 2)).toBe(other));
