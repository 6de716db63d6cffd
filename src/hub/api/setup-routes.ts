/** First run, invitations, and better-auth's own routes: what is open to whoever is not signed in yet. */
import type { Hono } from "hono";
import { z } from "zod";
import { accountSchema, setupSchema, setupStatusSchema } from "../../contract/api.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { type Auth, CLIENT_ADDRESS_HEADER } from "../accounts/auth.ts";
import type { Setup } from "../accounts/setup.ts";
import type { Settings } from "../settings/settings.ts";
import { type ApiEnv, body, doc } from "./kit.ts";
import type { FixedWindow } from "./rate-limit.ts";

export interface SetupRouteDeps {
  accounts: Accounts;
  auths: { secure: Auth; loopback: Auth };
  setup: Setup;
  settings: Settings;
  version: string;
  /** Guesses at setup tokens and invitations, per address. */
  guesses: FixedWindow;
}

/** Of better-auth only what the UI uses: the rest of its routes stays closed. */
const AUTH_ROUTES: readonly [method: string, path: string][] = [
  ["POST", "/sign-in/email"],
  ["POST", "/sign-out"],
  ["GET", "/get-session"],
  ["POST", "/change-password"],
  ["GET", "/list-sessions"],
  ["POST", "/revoke-session"],
  ["POST", "/revoke-other-sessions"],
];

export function setupRoutes(api: Hono<ApiEnv>, deps: SetupRouteDeps): void {
  const authFor = (secure: boolean) => deps.auths[secure ? "secure" : "loopback"];

  /** Signs in with better-auth itself, so that there is one way a session comes to be. */
  async function signedIn(
    request: Request,
    secure: boolean,
    credentials: { email: string; password: string },
    reply: object,
  ): Promise<Response> {
    const headers = new Headers(request.headers);
    headers.delete("cookie");
    const response = await authFor(secure).api.signInEmail({ body: credentials, headers, asResponse: true });
    const out = Response.json(reply, { status: 201 });
    for (const cookie of response.headers.getSetCookie()) out.headers.append("set-cookie", cookie);
    return out;
  }

  api.get("/setup", doc("Whether the first account is still to be made", setupStatusSchema), async (c) => {
    const status = await deps.setup.status();
    return c.json({ ...status, hub_name: await deps.settings.get("hub_name"), version: deps.version });
  });

  api.post(
    "/setup",
    doc("Makes the first account, an admin", accountSchema, 201),
    body(setupSchema),
    async (c) => {
      deps.guesses.take(c.env.address);
      const { token, ...account } = c.req.valid("json");
      const created = await deps.setup.run(token, account, c.env.caller?.via === "local");
      return await signedIn(c.req.raw, c.env.secure, account, created);
    },
  );

  api.post(
    "/invitations/accept",
    doc("Makes an account by invitation", accountSchema, 201),
    body(setupSchema),
    async (c) => {
      deps.guesses.take(c.env.address);
      const { token, ...account } = c.req.valid("json");
      const created = await deps.accounts.accept(token, account);
      return await signedIn(c.req.raw, c.env.secure, account, created);
    },
  );

  for (const [method, path] of AUTH_ROUTES) {
    api.on(method, `/auth${path}`, doc(`better-auth: ${path}`, z.unknown()), async (c) => {
      const request = new Request(c.req.raw, { headers: new Headers(c.req.raw.headers) });
      request.headers.set(CLIENT_ADDRESS_HEADER, c.env.address);
      return await authFor(c.env.secure).handler(request);
    });
  }
}
