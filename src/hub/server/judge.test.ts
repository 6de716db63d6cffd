import { describe, expect, test } from "bun:test";
import { type Door, judgeRequest, type RequestShape } from "./judge.ts";

const door: Door = { scheme: "https", hosts: new Set(["hub.lan:9200", "10.0.0.5:9200"]) };
const good: RequestShape = {
  method: "GET",
  host: "hub.lan:9200",
  origin: undefined,
  secFetchSite: "same-origin",
  secFetchMode: "cors",
  contentType: undefined,
  hasBody: false,
  hasCookie: true,
  hasBearer: false,
  upgrade: false,
  kind: "api",
};
const judge = (change: Partial<RequestShape>) => judgeRequest({ ...good, ...change }, door)?.code;

describe("what is refused", () => {
  const cases: [string, Partial<RequestShape>, string][] = [
    ["DNS rebinding: another name for our address", { host: "evil.example:9200" }, "request.wrong-host"],
    ["no Host", { host: undefined }, "request.wrong-host"],
    [
      "the same name on another port (a project's page)",
      { secFetchSite: "same-site" },
      "request.not-same-origin",
    ],
    ["another site", { secFetchSite: "cross-site" }, "request.not-same-origin"],
    ["no word on where it comes from", { secFetchSite: undefined }, "request.not-same-origin"],
    ["a foreign Origin", { origin: "https://hub.lan:9202" }, "request.wrong-origin"],
    [
      "no-cors from elsewhere",
      { secFetchSite: "cross-site", secFetchMode: "no-cors" },
      "request.not-same-origin",
    ],
    [
      "a WebSocket from a project's page",
      { upgrade: true, origin: "https://hub.lan:9202" },
      "request.wrong-origin",
    ],
    ["a WebSocket without Origin but with a cookie", { upgrade: true }, "request.wrong-origin"],
    ["a form", { method: "POST", hasBody: true, contentType: "text/plain" }, "request.not-json"],
    [
      "a navigation that changes",
      { method: "POST", secFetchMode: "navigate", secFetchSite: "cross-site" },
      "request.not-same-origin",
    ],
    [
      "a form that would upload",
      { kind: "files", method: "POST", hasBody: true, contentType: "multipart/form-data; boundary=x" },
      "request.not-upload",
    ],
    [
      "an upload from a project's page",
      { kind: "files", method: "PATCH", secFetchSite: "same-site" },
      "request.not-same-origin",
    ],
    [
      "a file as a picture on another site",
      { kind: "files", secFetchSite: "cross-site", secFetchMode: "no-cors" },
      "request.not-same-origin",
    ],
    [
      "a key beside a cookie, from elsewhere",
      { hasBearer: true, secFetchSite: "cross-site" },
      "request.not-same-origin",
    ],
  ];
  for (const [name, change, code] of cases) test(name, () => expect(judge(change)).toBe(code));
});

describe("what is served", () => {
  const cases: [string, Partial<RequestShape>][] = [
    ["a call of our page", {}],
    [
      "a change as JSON",
      { method: "POST", hasBody: true, contentType: "application/json", origin: "https://hub.lan:9200" },
    ],
    [
      "a part of an upload",
      { kind: "files", method: "PATCH", hasBody: true, contentType: "application/offset+octet-stream" },
    ],
    ["an upload's announcement", { kind: "files", method: "POST" }],
    ["a top-level navigation from elsewhere", { secFetchMode: "navigate", secFetchSite: "cross-site" }],
    ["an API key alone", { hasBearer: true, hasCookie: false, secFetchSite: undefined }],
    ["our own WebSocket", { upgrade: true, origin: "https://hub.lan:9200" }],
    ["a machine that pairs", { kind: "public", method: "POST", secFetchSite: undefined, hasCookie: false }],
  ];
  for (const [name, change] of cases) test(name, () => expect(judge(change)).toBeUndefined());
});

test("a door at the far end of a tunnel goes by its names, whatever port is there, and by no other name", () => {
  const door: Door = { scheme: "https", hosts: new Set(["127.0.0.1:9205"]), anyPort: true };
  const get = (host: string) => judgeRequest({ ...good, host, kind: "public" }, door)?.code;
  expect(get("127.0.0.1:9004")).toBeUndefined();
  expect(get("127.0.0.1")).toBeUndefined();
  expect(get("evil.example:9205")).toBe("request.wrong-host");
  expect(
    judgeRequest({ ...good, host: "127.0.0.1:9004", kind: "public" }, { ...door, anyPort: false })?.code,
  ).toBe("request.wrong-host");
});
