import { expect, test } from "bun:test";
import { headersFromHost, headersToHost, withoutReservedCookies } from "./hygiene.ts";

const forwarding = {
  grant: "G",
  address: "10.0.0.9",
  host: "hub:9202",
  scheme: "https" as const,
  dropAuthorization: true,
};

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
    ["cocalc-grant", "G"],
  ]);
});

test("an app cannot set our cookies, widen its service worker, wipe the site or pin HTTPS", () => {
  expect(
    headersFromHost([
      ["Set-Cookie", "__Host-cocalc.session_token=evil; Path=/"],
      ["Set-Cookie", "sid=1"],
      ["Service-Worker-Allowed", "/"],
      ["Clear-Site-Data", '"*"'],
      ["Strict-Transport-Security", "max-age=1"],
      ["Alt-Svc", "h3"],
      ["Content-Type", "text/plain"],
    ]),
  ).toEqual([
    ["Set-Cookie", "sid=1"],
    ["Content-Type", "text/plain"],
  ]);
});
