/** First run, invitations, and better-auth's own routes: what is open to whoever is not signed in yet. */
import type { Hono } from "hono";
import { z } from "zod";
import { accountSchema, type Me, setupSchema, setupStatusSchema } from "../../contract/api.ts";
import { CodedError } from "../../core/errors.ts";
import type { FixedWindow } from "../../core/fixed-window.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { type Auth, CLIENT_ADDRESS_HEADER } from "../accounts/auth.ts";
import type { Setup } from "../accounts/setup.ts";
import type { Settings } from "../settings/settings.ts";
import { type ApiEnv, body, doc } from "./kit.ts";

export interface SetupRouteDeps {
  accounts: Accounts;
  auths: { secure: Auth; loopback: Auth };
  setup: Setup;
  settings: Settings;
  product: Me["hub"]["product"];
  version: string;
  /** Guesses at setup tokens and invitations, per address. */
  guesses: FixedWindow;
  /** Guesses at passwords, per address. */
  signIns: FixedWindow;
  /** What is remembered of sessions is void. */
  forgetSessions(): void;
}

const PASSWORD_ROUTES = new Set(["/sign-in/email", "/change-password"]);

/** better-auth's refusals, in the words of all the others. */
async function asProblem(response: Response): Promise<CodedError> {
  const said = (await response.json().catch(() => ({}))) as { code?: unknown; message?: unknown };
  const code = typeof said.code === "string" ? said.code.toLowerCase().replaceAll("_", "-") : "refused";
  const wrong = code === "invalid-email-or-password";
  return new CodedError({
    code: `auth.${code}`,
    title: wrong
      ? "E-mail address or password is wrong"
      : typeof said.message === "string"
        ? said.message
        : "Refused",
    ...(wrong ? { fix: "Type both again; an admin can invite you anew if the password is lost." } : {}),
    status: response.status,
  });
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
    return c.json({
      ...status,
      hub_name: await deps.settings.get("hub_name"),
      product: deps.product,
      version: deps.version,
    });
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
      if (PASSWORD_ROUTES.has(path)) deps.signIns.take(c.env.address);
      const request = new Request(c.req.raw, { headers: new Headers(c.req.raw.headers) });
      request.headers.set(CLIENT_ADDRESS_HEADER, c.env.address);
      const response = await authFor(c.env.secure).handler(request);
      if (method !== "GET") deps.forgetSessions();
      if (response.status >= 400) throw await asProblem(response);
      return response;
    });
  }
}
