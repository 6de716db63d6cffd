import { expect, test } from "bun:test";
import { confinedCookie, headersFromHost, headersToHost, withoutReservedCookies } from "./hygiene.ts";

const ID = "6f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";
const forwarding = {
  grant: "G",
  at: "prefix" as const,
  project_id: ID,
  address: "10.0.0.9",
  host: "hub:9202",
  scheme: "https" as const,
  dropAuthorization: true,
};

const shown = { project_id: ID, root: undefined, rootCookie: undefined };

test("an app never sees a cookie of ours, in any case or prefix", () => {
  expect(
    withoutReservedCookies(
      "a=1; __Host-cocalc.session_token=x; b=2; CoCalc_app_1=y; __secure-COCALC=z; __Host-cocalc2",
    ),
  ).toBe("a=1; b=2");
});

test("what a client says of itself is dropped, and ours is said", () => {
  const out = headersToHost(
    [
      ["X-Forwarded-Host", "evil"],
      ["x-forwarded-for", "1.2.3.4"],
      ["Forwarded", "for=evil"],
      ["Cocalc-Grant", "forged"],
      ["Authorization", "Bearer lpk_x"],
      ["Cookie", "cocalc.session_token=x"],
      ["Accept", "*/*"],
    ],
    forwarding,
  );
  expect(out).toEqual([
    ["Accept", "*/*"],
    ["X-Forwarded-For", "10.0.0.9"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Host", "hub:9202"],
    ["cocalc-at", "prefix"],
    ["cocalc-grant", "G"],
  ]);
});

test("an app cannot set our cookies, widen its service worker, wipe the site or pin HTTPS", () => {
  expect(
    headersFromHost(
      [
        ["Set-Cookie", "__Host-cocalc.session_token=evil; Path=/"],
        ["Set-Cookie", "sid=1"],
        ["Service-Worker-Allowed", "/"],
        ["Clear-Site-Data", '"*"'],
        ["Strict-Transport-Security", "max-age=1"],
        ["Alt-Svc", "h3"],
        ["Content-Type", "text/plain"],
      ],
      shown,
    ),
  ).toEqual([
    ["Set-Cookie", "sid=1"],
    ["Content-Type", "text/plain"],
  ]);
});

test("an app's cookie stays with its project", () => {
  expect(confinedCookie("a=path=/; Path=/; HttpOnly", ID)).toBe(`a=path=/; Path=/${ID}/; HttpOnly`);
  expect(confinedCookie("a=1; Domain=.lan; path=/other", ID)).toBe(`a=1; Path=/${ID}/`);
  expect(confinedCookie(`a=1; Path=/${ID}/proxy/1/; Secure`, ID)).toBe(`a=1; Path=/${ID}/proxy/1/; Secure`);
  expect(confinedCookie("a=1", ID)).toBe("a=1");
});

test("a document is not shown inside another project's page, nor held by its opener", () => {
  const out = headersFromHost([["Content-Type", "text/html"]], shown);
  expect(out).toContainEqual(["Content-Security-Policy", "frame-ancestors 'self'"]);
  expect(out).toContainEqual(["Cross-Origin-Opener-Policy", "same-origin-allow-popups"]);
  expect(
    headersFromHost(
      [
        ["Content-Type", "text/html"],
        ["Cross-Origin-Opener-Policy", "same-origin"],
      ],
      shown,
    ).filter(([name]) => name === "Cross-Origin-Opener-Policy"),
  ).toEqual([["Cross-Origin-Opener-Policy", "same-origin"]]);
});

test("at the root of a shard a hidden cookie goes by a name that other projects' apps never see", () => {
  const set = headersFromHost([["Set-Cookie", "sid=1; Path=/; HttpOnly; Domain=lan"]], {
    ...shown,
    root: "shard",
  });
  expect(set).toEqual([["Set-Cookie", "cocalc_of_6f1c4e0a1b2c_sid=1; Path=/; HttpOnly"]]);
  const sent: [string, string][] = [
    ["Cookie", "a=1; cocalc_of_6f1c4e0a1b2c_sid=1; cocalc_of_7f1c4e0a1b2c_sid=2"],
  ];
  expect(headersToHost(sent, { ...forwarding, at: "root" })[0]).toEqual(["Cookie", "a=1; sid=1"]);
  expect(headersToHost(sent, forwarding)[0]).toEqual(["Cookie", "a=1"]);
});

test("only the host asks for an origin's root, and an app does not speak in its name", () => {
  const asks: [string, string][] = [["cocalc-wants-root", "1"]];
  expect(headersFromHost(asks, { ...shown, rootCookie: "c=1" })).toEqual([["Set-Cookie", "c=1"]]);
  expect(headersFromHost(asks, shown)).toEqual([]);
});
