/** One's own account, and (for admins) everybody's. */
import type { Hono } from "hono";
import { z } from "zod";
import {
  accountSchema,
  apiKeyCreatedSchema,
  apiKeySchema,
  type Me,
  meSchema,
  nameSchema,
  passwordSchema,
} from "../../contract/api.ts";
import { CodedError } from "../../core/errors.ts";
import type { Ports } from "../../core/ports.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { Authenticator } from "../accounts/authenticate.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { Settings } from "../settings/settings.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface AccountRouteDeps {
  accounts: Accounts;
  authenticator: Authenticator;
  settings: Settings;
  ports: Ports;
  product: Me["hub"]["product"];
  version: string;
  /** Where people open this hub, for invitation links. */
  publicUrl(): Promise<string>;
}

const roleField = z.enum(["admin", "user"]);

export function accountRoutes(api: Hono<ApiEnv>, deps: AccountRouteDeps): void {
  async function me(caller: Caller, secure: boolean): Promise<Me> {
    const account = await deps.accounts.byId(caller.account_id);
    if (!account) throw notFound("account", caller.account_id);
    const { ports } = deps;
    return {
      ...account,
      hub: {
        name: await deps.settings.get("hub_name"),
        product: deps.product,
        version: deps.version,
        apps_port: secure ? ports.apps : ports.loopbackApps,
        ssh_port: ports.sshd,
      },
    };
  }

  api.get("/me", doc("The account that asks, and its hub", meSchema), async (c) =>
    c.json(await me(callerOf(c), c.env.secure)),
  );
  api.patch(
    "/me",
    doc("Changes one's own name", meSchema),
    body(z.object({ name: nameSchema })),
    async (c) => {
      const caller = callerOf(c);
      await deps.accounts.rename(caller, c.req.valid("json").name);
      return c.json(await me(caller, c.env.secure));
    },
  );
  api.get("/me/api-keys", doc("One's API keys", z.array(apiKeySchema)), async (c) =>
    c.json(await deps.authenticator.listKeys(callerOf(c))),
  );
  api.post(
    "/me/api-keys",
    doc("Makes an API key; it is shown this once", apiKeyCreatedSchema, 201),
    body(z.object({ name: nameSchema.max(32, "at most 32 characters") })),
    async (c) => {
      const caller = callerOf(c);
      if (caller.via === "key") {
        throw new CodedError({
          code: "api-key.by-key",
          title: "An API key cannot make another",
          fix: "Sign in in the browser.",
          status: 403,
        });
      }
      return c.json(await deps.authenticator.createKey(caller, c.req.valid("json").name), 201);
    },
  );
  api.delete("/me/api-keys/:id", doc("Ends an API key", z.object({})), async (c) => {
    await deps.authenticator.deleteKey(callerOf(c), c.req.param("id"));
    return c.json({});
  });

  api.get("/users", doc("All accounts (admin)", z.array(accountSchema)), async (c) =>
    c.json(await deps.accounts.list(callerOf(c))),
  );
  api.post(
    "/users",
    doc("Makes an account (admin)", accountSchema, 201),
    body(
      z.object({
        name: nameSchema,
        email: z.email("not an e-mail address"),
        password: passwordSchema,
        role: roleField.default("user"),
      }),
    ),
    async (c) => c.json(await deps.accounts.create(callerOf(c), c.req.valid("json")), 201),
  );
  api.patch(
    "/users/:id",
    doc("Changes role, suspends or lets in again (admin)", accountSchema),
    body(z.object({ role: roleField.optional(), suspended: z.boolean().optional() })),
    async (c) => c.json(await deps.accounts.update(callerOf(c), c.req.param("id"), c.req.valid("json"))),
  );
  api.post(
    "/invitations",
    doc("Makes an invitation link (admin)", z.object({ url: z.string(), expires_at: z.string() }), 201),
    body(z.object({ role: roleField.default("user") })),
    async (c) => {
      const { secret, expires_at } = await deps.accounts.invite(callerOf(c), c.req.valid("json").role);
      return c.json({ url: `${await deps.publicUrl()}/invitation#token=${secret}`, expires_at }, 201);
    },
  );
}
