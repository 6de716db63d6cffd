/**
 * The way into Plus: a token in the printed URL, exchanged for a cookie. There is one person and no password: whoever
 * reads the terminal that started it, or its data directory, is that person.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Account } from "../../contract/api.ts";
import { CodedError } from "../../core/errors.ts";
import type { FixedWindow } from "../../core/fixed-window.ts";
import { loadOrCreateSecret } from "../../core/secrets.ts";
import type { Caller } from "../accounts/caller.ts";
import { problemResponse } from "../api/kit.ts";
import { sendResponse } from "../server/adapter.ts";

const OPEN_PATH = "/open";
const TOKEN_BYTES = 24;
const COOKIE_MS = 30 * 86_400_000;

export type PlusDoor = ReturnType<typeof createPlusDoor>;

export function createPlusDoor(deps: {
  secretsDir: string;
  secret: Uint8Array;
  port: number;
  guesses: FixedWindow;
  owner(): Promise<Account>;
  now?: () => number;
}) {
  const now = deps.now ?? Date.now;
  /** Kept, so that a bookmark and a cookie outlive a restart. */
  const token = loadOrCreateSecret(deps.secretsDir, "plus-token", TOKEN_BYTES);
  // Cookies ignore ports: two of them on one machine must not sign each other out.
  const cookieName = `cocalc_plus_${deps.port}`;
  const sign = (body: string) => createHmac("sha256", deps.secret).update(body).digest();

  function holds(cookieHeader: string | null): boolean {
    for (const part of (cookieHeader ?? "").split(";")) {
      const [name, value = ""] = part.trim().split("=");
      if (name !== cookieName) continue;
      const [until = "", mac = ""] = value.split(".");
      const given = Buffer.from(mac, "base64url");
      const right = sign(until);
      if (given.length === right.length && timingSafeEqual(given, right) && Number(until) > now())
        return true;
    }
    return false;
  }

  return {
    url: (): string => `http://localhost:${deps.port}${OPEN_PATH}?token=${token.toString("base64url")}`,
    /** The one person there is, when the request has the cookie. */
    async caller(headers: Headers): Promise<Caller | null> {
      if (!holds(headers.get("cookie"))) return null;
      const { account_id, name, email } = await deps.owner();
      return { account_id, name, email, admin: true, via: "cookie" };
    },
    owns: (path: string): boolean => path === OPEN_PATH,
    async request(req: IncomingMessage, res: ServerResponse): Promise<void> {
      try {
        deps.guesses.take(req.socket.remoteAddress ?? "");
        const given = Buffer.from(
          new URL(req.url ?? "/", "http://localhost").searchParams.get("token") ?? "",
          "base64url",
        );
        if (req.method !== "GET" || given.length !== token.length || !timingSafeEqual(given, token)) {
          throw new CodedError({
            code: "plus.wrong-token",
            title: "This is not the token of this CoCalc",
            fix: "Open the address that it printed when it started.",
            status: 403,
          });
        }
      } catch (error) {
        await sendResponse(problemResponse(error), req, res);
        return;
      }
      const until = String(now() + COOKIE_MS);
      const value = `${until}.${sign(until).toString("base64url")}`;
      res.writeHead(303, {
        location: "/",
        "set-cookie": `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${COOKIE_MS / 1000}`,
        "cache-control": "no-store",
        // The address with the token in it goes no further.
        "referrer-policy": "no-referrer",
      });
      res.end();
    },
  };
}
