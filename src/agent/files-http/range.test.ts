import { expect, test } from "bun:test";
import { type Asked, partOf } from "./range.ts";

const FILE = { size: 100, etag: '"e"', modified: "Wed, 25 Nov 2026 00:00:00 GMT" };
const ask = (asked: Partial<Asked>) =>
  partOf({ range: undefined, ifRange: undefined, ifNoneMatch: undefined, ...asked }, FILE);

test("ranges as RFC 9110 has them", () => {
  expect(ask({})).toEqual({ status: 200, start: 0, end: 100 });
  expect(ask({ range: "bytes=0-0" })).toEqual({ status: 206, start: 0, end: 1 });
  expect(ask({ range: "bytes=90-" })).toEqual({ status: 206, start: 90, end: 100 });
  expect(ask({ range: "bytes=90-1000" })).toEqual({ status: 206, start: 90, end: 100 });
  expect(ask({ range: "bytes=-5" })).toEqual({ status: 206, start: 95, end: 100 });
  expect(ask({ range: "bytes=-500" })).toEqual({ status: 206, start: 0, end: 100 });
  expect(ask({ range: "bytes=100-" })).toEqual({ status: 416 });
  expect(ask({ range: "bytes=-0" })).toEqual({ status: 416 });
  for (const range of ["bytes=-", "bytes=5-1", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
    expect(ask({ range })).toEqual({ status: 200, start: 0, end: 100 });
});

test("a part of another version is never sent", () => {
  expect(ask({ range: "bytes=5-", ifRange: '"e"' }).status).toBe(206);
  expect(ask({ range: "bytes=5-", ifRange: FILE.modified }).status).toBe(206);
  expect(ask({ range: "bytes=5-", ifRange: '"old"' }).status).toBe(200);
  expect(ask({ range: "bytes=5-", ifRange: 'W/"e"' }).status).toBe(200);
  expect(ask({ ifNoneMatch: 'W/"x", "e"' })).toEqual({ status: 304 });
});
