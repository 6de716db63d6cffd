/**
 * better-auth: passwords, sessions, API keys. Two instances over the same tables, because a cookie's name says how
 * safe it is: `__Host-cocalc…` over TLS, `cocalc…` on the loopback door, which has no TLS to be secure over.
 */
import { apiKey } from "@better-auth/api-key";
import { APIError, betterAuth } from "better-auth";
import { logger } from "../../core/log.ts";
import type { Db } from "../db/open.ts";

const log = logger("accounts");

/** Set by our server from the socket; whatever a client sends under this name is dropped. */
export const CLIENT_ADDRESS_HEADER = "x-cocalc-client-address";
export const SESSION_DAYS = 14;
const DAY_S = 86_400;

export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, "argon2id");
}

/** What both instances share; also what the migrations are made from. */
export function authOptions(secret: string) {
  return {
    secret,
    basePath: "/api/auth",
    telemetry: { enabled: false },
    // Ours, so that lines are JSON. A wrong key is whoever's mistake, and no error of the hub's.
    logger: {
      level: "error" as const,
      log: (_level: string, message: string) => log.debug(message),
    },
    emailAndPassword: {
      enabled: true,
      /** Accounts come by setup, invitation or an admin. */
      disableSignUp: true,
      minPasswordLength: 10,
      maxPasswordLength: 200,
      password: {
        hash: hashPassword,
        verify: ({ hash, password }: { hash: string; password: string }) =>
          Bun.password.verify(password, hash),
      },
    },
    session: { expiresIn: SESSION_DAYS * DAY_S, updateAge: DAY_S },
    user: {
      additionalFields: {
        role: { type: "string", input: false, defaultValue: "user", required: true },
        suspended: { type: "boolean", input: false, defaultValue: false, required: true },
      },
    },
    // Ours, with fixed windows, is in front: this one's window moves on with every try.
    rateLimit: { enabled: false },
    plugins: [apiKey({ rateLimit: { enabled: false }, defaultPrefix: "lpk_" })],
  } as const;
}

export function createAuth(
  db: Db,
  options: { secret: string; secure: boolean; trustedOrigins: () => string[] },
) {
  const shared = authOptions(options.secret);
  return betterAuth({
    ...shared,
    plugins: [...shared.plugins],
    database: { db, type: "sqlite", transaction: true },
    // The base URL follows the request: a hub is reached by several names.
    trustedOrigins: () => options.trustedOrigins(),
    advanced: {
      useSecureCookies: false,
      cookiePrefix: options.secure ? "__Host-cocalc" : "cocalc",
      defaultCookieAttributes: { secure: options.secure, path: "/", httpOnly: true, sameSite: "lax" },
      ipAddress: { ipAddressHeaders: [CLIENT_ADDRESS_HEADER] },
    },
    databaseHooks: {
      session: {
        create: {
          async before(session) {
            const user = await db
              .selectFrom("user")
              .select("suspended")
              .where("id", "=", session.userId)
              .executeTakeFirst();
            if (user?.suspended) throw new APIError("FORBIDDEN", { message: "This account is suspended" });
          },
        },
      },
    },
  });
}

export type Auth = ReturnType<typeof createAuth>;
