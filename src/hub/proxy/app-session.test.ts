import { expect, test } from "bun:test";
import { type AppSession, createAppSessions, mayReach } from "./app-session.ts";

const A = "6f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";
const B = "7f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";
const secret = new Uint8Array(32).fill(1);
const session: AppSession = { sub: "ada", project_id: A, at: { kind: "own" } };

test("a ticket works once, for its project, for a minute", () => {
  let now = 0;
  const sessions = createAppSessions(secret, () => now);
  const ticket = sessions.issueTicket(session);
  expect(sessions.redeem(ticket, A)).toEqual(session);
  expect(sessions.redeem(ticket, A)).toBeUndefined();
  expect(sessions.redeem(sessions.issueTicket(session), B)).toBeUndefined();
  const late = sessions.issueTicket(session);
  now = 60_001;
  expect(sessions.redeem(late, A)).toBeUndefined();
});
test("a cookie opens its own project, cannot be altered, and ends", () => {
  let now = 0;
  const sessions = createAppSessions(secret, () => now);
  const cookie = sessions.setCookie(session, true).split(";")[0] ?? "";
  expect(sessions.read(`x=1; ${cookie}`, A, true)).toEqual(session);
  expect(sessions.read(cookie.replace(/=./, "=A"), A, true)).toBeUndefined();
  expect(sessions.read(cookie.replace("__Secure-", ""), A, true)).toBeUndefined();
  expect(createAppSessions(new Uint8Array(32)).read(cookie, A, true)).toBeUndefined();
  now = 13 * 3_600_000;
  expect(sessions.read(cookie, A, true)).toBeUndefined();
});
test("a cookie of one kind is none of another, also when it is renamed", () => {
  const sessions = createAppSessions(secret);
  const root = sessions.setRoot({ session, app: "site" }, "3", true).split(";")[0] ?? "";
  expect(sessions.readRoot(root, "3", true)).toEqual({ session, app: "site" });
  expect(sessions.readRoot(root.replace("root_3", "root_4"), "4", true)).toBeUndefined();
  const cookie = sessions.setCookie(session, true).split(";")[0] ?? "";
  expect(
    sessions.read(`${cookie.split("=")[0]}=${root.split("=").slice(1).join("=")}`, A, true),
  ).toBeUndefined();
});
test("what came by a link opens that and nothing else", () => {
  expect(mayReach({ ...session, only: { port: 80 } }, { port: 80 })).toBe(true);
  for (const other of [{ port: 81 }, { app: "site" }])
    expect(mayReach({ ...session, only: { port: 80 } }, other)).toBe(false);
  expect(mayReach(session, { app: "site" })).toBe(true);
});
