import { expect, test } from "bun:test";
import type { RawHeader } from "../../core/relay/headers.ts";
import { type FilesAsk, headersFromAgent, headersToAgent } from "./hygiene.ts";

const ID = "0b7ee9a6-6d6f-4a8f-9d3c-1b2c3d4e5f60";
const HOSTILE: RawHeader[] = [
  ["Content-Type", "text/html"],
  ["Set-Cookie", "__Host-cocalc.session=x"],
  ["Content-Security-Policy", "default-src *"],
  ["Content-Disposition", "inline"],
  ["Access-Control-Allow-Origin", "*"],
  ["Service-Worker-Allowed", "/"],
  ["Clear-Site-Data", '"*"'],
  ["Refresh", "0;url=/"],
  ["Location", "https://evil.example/"],
  ["Content-Length", "5"],
  ["ETag", '"x"'],
];
const back = (ask: Partial<FilesAsk>, status = 200, headers = HOSTILE) => {
  const all = headersFromAgent(headers, status, {
    verb: "download",
    project_id: ID,
    path: undefined,
    scripts: false,
    ...ask,
  });
  const names = all.map(([name]) => name.toLowerCase());
  expect(new Set(names).size).toBe(names.length);
  return Object.fromEntries(all.map(([name, value]) => [name.toLowerCase(), value]));
};

test("a hostile agent's answer is a nameless attachment in a sandbox, and nothing else of it comes through", () => {
  const got = back({});
  expect(got).toEqual({
    "content-length": "5",
    etag: '"x"',
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "private, no-cache",
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "content-security-policy":
      "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; sandbox",
  });
});

test("a preview has the type of its name, not the agent's word, and always a sandbox but for PDF", () => {
  expect(back({ verb: "preview", path: "a.svg" })["content-type"]).toBe("image/svg+xml");
  expect(back({ verb: "preview", path: "a.html" })["content-security-policy"]).toContain("; sandbox;");
  const moving = back({ verb: "preview", path: "a.html", scripts: true })["content-security-policy"] ?? "";
  expect(moving).toContain("sandbox allow-scripts;");
  expect(moving).not.toContain("allow-same-origin");
  expect(moving).not.toContain("connect-src");
  const pdf = back({ verb: "preview", path: "a.pdf" });
  expect(pdf["content-type"]).toBe("application/pdf");
  // Not of a known kind: it is a download, whatever the agent says.
  expect(back({ verb: "preview", path: "a.xhtml" })["content-disposition"]).toBe("attachment");
});

test("a failure is never a page, and only an upload's own address is a location", () => {
  expect(back({ verb: "preview", path: "a.html" }, 404)["content-type"]).toBe("application/problem+json");
  expect(back({ verb: "preview", path: "a.html" }, 302).location).toBeUndefined();
  const location = `/${ID}/files/uploads/0123456789abcdef0123456789abcdef`;
  expect(back({ verb: "uploads" }, 201, [["location", location]]).location).toBe(location);
  expect(back({ verb: "uploads" }, 201, [["location", `${location}/../x`]]).location).toBeUndefined();
});

test("a name that is no plain encoded one is dropped", () => {
  const named = "attachment; filename*=UTF-8''a%20b.csv";
  expect(back({}, 200, [["content-disposition", named]])["content-disposition"]).toBe(named);
  expect(back({}, 200, [["content-disposition", `${named}; x=y`]])["content-disposition"]).toBe("attachment");
});

test("neither cookies nor keys reach the project", () => {
  const sent = headersToAgent(
    [
      ["Cookie", "__Host-cocalc=secret"],
      ["Authorization", "Bearer secret"],
      ["cocalc-grant", "forged"],
      ["X-Forwarded-For", "1.2.3.4"],
      ["Range", "bytes=0-1"],
      ["Upload-Offset", "0"],
    ],
    "grant",
  );
  expect(sent).toEqual([
    ["Range", "bytes=0-1"],
    ["Upload-Offset", "0"],
    ["Host", "files"],
    ["cocalc-grant", "grant"],
  ]);
});
