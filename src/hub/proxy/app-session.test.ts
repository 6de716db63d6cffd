import { expect, test } from "bun:test";
import { createAppSessions } from "./app-session.ts";

const A = "6f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";
const B = "7f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";
const secret = new Uint8Array(32).fill(1);

test("a ticket works once, for its project, for a minute", () => {
  let now = 0;
  const sessions = createAppSessions(secret, () => now);
  const ticket = sessions.issueTicket("ada", A);
  expect(sessions.redeem(ticket, A)).toBe("ada");
  expect(sessions.redeem(ticket, A)).toBeUndefined();
  expect(sessions.redeem(sessions.issueTicket("ada", A), B)).toBeUndefined();
  const late = sessions.issueTicket("ada", A);
  now = 60_001;
  expect(sessions.redeem(late, A)).toBeUndefined();
});

test("a cookie opens its own project, cannot be altered, and ends", () => {
  let now = 0;
  const sessions = createAppSessions(secret, () => now);
  const cookie = sessions.setCookie("ada", A, true).split(";")[0] ?? "";
  expect(sessions.read(`x=1; ${cookie}`, A, true)).toBe("ada");
  expect(sessions.read(cookie.replace(/=./, "=A"), A, true)).toBeUndefined();
  expect(sessions.read(cookie.replace("__Secure-", ""), A, true)).toBeUndefined();
  expect(createAppSessions(new Uint8Array(32)).read(cookie, A, true)).toBeUndefined();
  now = 13 * 3_600_000;
  expect(sessions.read(cookie, A, true)).toBeUndefined();
});
