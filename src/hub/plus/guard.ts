/** What of the API makes no sense for one person with one project on their own machine. */
import type { Context, Next } from "hono";
import { CodedError } from "../../core/errors.ts";
import { type ApiEnv, problemResponse } from "../api/kit.ts";

/** Method and path, without the leading `/api`. */
const ABSENT: readonly RegExp[] = [
  /^\w+ \/(auth|users|invitations|join-tokens)(\/|$)/,
  /^POST \/setup$/,
  /^POST \/projects$/,
  /^DELETE \/projects\/[^/]+$/,
  /^\w+ \/projects\/[^/]+\/(people|leave|owner)(\/|$)/,
  /^(PATCH|DELETE) \/hosts\//,
  /^POST \/hosts\/[^/]+\/(?!grant$)/,
];

/** Pure. */
export function absentInPlus(method: string, path: string): boolean {
  const asked = `${method} ${path.replace(/^\/api/, "")}`;
  return ABSENT.some((pattern) => pattern.test(asked));
}

export async function plusGuard(c: Context<ApiEnv>, next: Next): Promise<Response | undefined> {
  if (!absentInPlus(c.req.method, c.req.path)) {
    await next();
    return undefined;
  }
  return problemResponse(
    new CodedError({
      code: "plus.absent",
      title: "CoCalc Plus has one person and one project",
      fix: "For a team, run CoCalc Launchpad: ./scripts/run",
      status: 404,
    }),
  );
}
