import { afterAll, beforeAll, expect, test } from "bun:test";
import { type HubLab, openHubLab, PASSWORD } from "../../../test/fixtures/hub-lab.ts";
import { LOCAL_ADMIN } from "./caller.ts";

let lab: HubLab;
beforeAll(async () => {
  lab = await openHubLab();
});
afterAll(() => lab.remove());

const anna = { name: "Anna", email: "anna@example.org", password: PASSWORD };
/** `name=value` pairs of Set-Cookie lines, as a browser sends them back. */
const cookieHeader = (cookies: string[]) => cookies.map((one) => one.split(";")[0]).join("; ");
const as = (cookie: string, secure: boolean) =>
  lab.authenticator.authenticate(new Headers({ cookie }), secure);
const signIn = (password: string, address: string, secure = false) =>
  lab.call(null, "POST", "/api/auth/sign-in/email", { email: anna.email, password }, { address, secure });

test("the setup token works once, and a wrong one never", async () => {
  const token = await lab.setup.token();
  const wrong = await lab.call(null, "POST", "/api/setup", { ...anna, token: "x".repeat(24) });
  expect([wrong.status, wrong.json.code]).toEqual([403, "setup.wrong-token"]);
  const made = await lab.call(null, "POST", "/api/setup", { ...anna, token });
  expect([made.status, made.json.role]).toEqual([201, "admin"]);
  expect((await as(cookieHeader(made.cookies), false))?.admin).toBe(true);
  const again = await lab.call(null, "POST", "/api/setup", { ...anna, email: "b@example.org", token });
  expect([again.status, again.json.code, again.json.why]).toEqual([
    410,
    "setup.done",
    "Anna made the admin account.",
  ]);
  expect((await lab.call(null, "GET", "/api/setup")).json).toMatchObject({ needed: false, made_by: "Anna" });
});

test("over TLS the cookie is __Host- and Secure; each door takes its own alone", async () => {
  const secure = await signIn(PASSWORD, "192.0.2.10", true);
  const [line] = secure.cookies;
  expect(line).toStartWith("__Host-cocalc");
  for (const part of ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]) expect(line).toContain(part);
  const loopback = await signIn(PASSWORD, "192.0.2.10");
  expect(loopback.cookies[0]).toStartWith("cocalc");
  expect(loopback.cookies[0]).not.toContain("Secure");
  expect((await as(cookieHeader(secure.cookies), true))?.name).toBe("Anna");
  expect(await as(cookieHeader(secure.cookies), false)).toBeNull();
  expect(await as(cookieHeader(loopback.cookies), true)).toBeNull();
});

test("a wrong password is a problem in our words; tries are counted per address", async () => {
  const wrong = await signIn("not the password", "192.0.2.11");
  expect([wrong.status, wrong.json.code]).toEqual([401, "auth.invalid-email-or-password"]);
  expect(wrong.type).toBe("application/problem+json");
  const statuses: number[] = [];
  for (let tries = 0; tries < 3; tries++) statuses.push((await signIn("short", "192.0.2.11")).status);
  expect(statuses.at(-1)).toBe(429);
  expect((await signIn(PASSWORD, "192.0.2.12")).status).toBe(200);
});

test("what is remembered of one person's cookie is never another's", async () => {
  const cookie = cookieHeader((await signIn(PASSWORD, "192.0.2.13")).cookies);
  const authorization = "Basic eA==";
  const { authenticate } = lab.authenticator;
  expect((await authenticate(new Headers({ cookie, authorization }), false))?.name).toBe("Anna");
  expect(await authenticate(new Headers({ authorization }), false)).toBeNull();
});

test("signing out ends the session at once", async () => {
  const cookie = cookieHeader((await signIn(PASSWORD, "192.0.2.14")).cookies);
  expect(await as(cookie, false)).not.toBeNull();
  const headers = { cookie, origin: "http://localhost:31003" };
  expect((await lab.call(null, "POST", "/api/auth/sign-out", {}, { headers })).status).toBe(200);
  expect(await as(cookie, false)).toBeNull();
});

test("an API key acts as its account until it is deleted, and makes no other", async () => {
  const caller = await lab.account("keys");
  const made = await lab.call(caller, "POST", "/api/me/api-keys", { name: "script" });
  const bearer = () =>
    lab.authenticator.authenticate(new Headers({ authorization: `Bearer ${made.json.key}` }), true);
  const byKey = await bearer();
  expect([byKey?.account_id, byKey?.via]).toEqual([caller.account_id, "key"]);
  expect((await lab.call(byKey, "POST", "/api/me/api-keys", { name: "x" })).json.code).toBe("api-key.by-key");
  const other = await lab.account("other");
  await lab.call(other, "DELETE", `/api/me/api-keys/${made.json.id}`);
  expect(await bearer()).not.toBeNull();
  expect((await lab.call(caller, "GET", "/api/me/api-keys")).json).toHaveLength(1);
  await lab.call(caller, "DELETE", `/api/me/api-keys/${made.json.id}`);
  expect(await bearer()).toBeNull();
});

test("suspending ends sessions and keys at once, and keeps out", async () => {
  const made = await lab.account("eve");
  const key = await lab.call(made, "POST", "/api/me/api-keys", { name: "k" });
  const credentials = { email: "eve@example.org", password: PASSWORD };
  const sign = (address: string) =>
    lab.call(null, "POST", "/api/auth/sign-in/email", credentials, { address });
  const cookie = cookieHeader((await sign("192.0.2.15")).cookies);
  const keyed = () =>
    lab.authenticator.authenticate(new Headers({ authorization: `Bearer ${key.json.key}` }), true);
  expect([(await as(cookie, false))?.name, (await keyed())?.name]).toEqual(["eve", "eve"]);
  await lab.call(LOCAL_ADMIN, "PATCH", "/api/users/eve@example.org", { suspended: true });
  expect([await as(cookie, false), await keyed()]).toEqual([null, null]);
  const refused = await sign("192.0.2.16");
  expect([refused.status, refused.json.title]).toEqual([403, "This account is suspended"]);
});

test("an invitation makes one account with the role it was made for", async () => {
  const invited = await lab.call(LOCAL_ADMIN, "POST", "/api/invitations", { role: "user" });
  const token = new URL(invited.json.url).hash.replace("#token=", "");
  const accept = (email: string) =>
    lab.call(null, "POST", "/api/invitations/accept", { token, name: "Bo", email, password: PASSWORD });
  // A taken address does not spend the link.
  expect((await accept(anna.email)).status).toBe(409);
  const both = await Promise.all([accept("bo@example.org"), accept("bob@example.org")]);
  expect(both.map((one) => one.status).sort()).not.toEqual([201, 201]);
  const made = both.find((one) => one.status === 201);
  expect(made?.json.role).toBe("user");
  expect((await accept("late@example.org")).json.code).toBe("invitation.invalid");
  const stored = await lab.db.selectFrom("invitations").selectAll().execute();
  expect(JSON.stringify(stored)).not.toContain(token);
});

test("the last admin stays one", async () => {
  const weaken = (body: object) => lab.call(LOCAL_ADMIN, "PATCH", `/api/users/${anna.email}`, body);
  expect((await weaken({ role: "user" })).json.code).toBe("account.last-admin");
  expect((await weaken({ suspended: true })).json.code).toBe("account.last-admin");
  await lab.account("second", "admin");
  expect((await weaken({ role: "user" })).json.role).toBe("user");
});
