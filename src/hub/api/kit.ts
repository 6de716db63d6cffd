/** What every route is made of: who asks, problems as problem+json, validation that names the field. */
import type { Context, Env } from "hono";
import { HTTPException } from "hono/http-exception";
import { describeRoute, resolver, validator } from "hono-openapi";
import { z } from "zod";
import { problemSchema } from "../../contract/problem.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { Caller } from "../accounts/caller.ts";

const log = logger("api");

/** What the server knows of a request, beside the request. */
export interface RequestFacts {
  caller: Caller | null;
  /** It came over TLS. */
  secure: boolean;
  /** Address of the client's socket. */
  address: string;
}
export interface ApiEnv extends Env {
  Bindings: RequestFacts;
}

/** The caller, or 401. */
export function callerOf(c: Context<ApiEnv>): Caller {
  if (c.env.caller) return c.env.caller;
  throw new CodedError({
    code: "auth.required",
    title: "Sign in first",
    fix: "In the browser: sign in. In a script: send an API key as `Authorization: Bearer …`.",
    status: 401,
    exit: 77,
  });
}

/** The administrator of this machine: over the unix socket alone. */
export function localOnly(c: Context<ApiEnv>): Caller {
  const caller = callerOf(c);
  if (caller.via === "local") return caller;
  throw new CodedError({ code: "route.not-found", title: "There is nothing here", status: 404 });
}

export function problemResponse(error: unknown): Response {
  let problem = toProblem(error);
  if (error instanceof HTTPException && error.status < 500) {
    // Hono's own: a body that is not JSON.
    problem = { code: "request.malformed", title: error.message, status: error.status, exit: EX.DATAERR };
  }
  if (error instanceof z.ZodError) problem = invalid(error.issues);
  if (problem.code.startsWith("disk.")) {
    log.error(problem.title, { code: problem.code, why: problem.why });
    problem = { ...problem, why: undefined };
  }
  if (problem.code === "internal") {
    log.error("unexpected failure", error);
    // What went wrong inside is in the log, not in front of whoever asked.
    problem = {
      code: "internal",
      title: "The hub failed at this",
      fix: "Its log has the cause.",
      status: 500,
    };
  }
  const { exit: _exit, ...visible } = problem;
  return new Response(JSON.stringify(visible), {
    status: problem.status ?? 500,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store" },
  });
}

interface Issue {
  path?: readonly unknown[] | undefined;
  message: string;
}
function invalid(issues: readonly Issue[]) {
  return {
    code: "request.invalid",
    title: "Something in the request is not valid",
    errors: issues.map((issue) => ({
      path: (issue.path ?? [])
        .map((part) =>
          typeof part === "object" && part !== null && "key" in part ? String(part.key) : String(part),
        )
        .join("."),
      message: issue.message,
    })),
    status: 422,
  };
}

/** A JSON body of this shape; otherwise 422 with each field's path. */
export function body<S extends z.ZodType>(schema: S) {
  return validator("json", schema, (result) => {
    if (!result.success) throw new CodedError(invalid(result.error as readonly Issue[]));
  });
}

const PROBLEM = { "application/problem+json": { schema: resolver(problemSchema) } };

/** For OpenAPI: what a route is for and what it answers. */
export function doc(summary: string, reply: z.ZodType, status = 200) {
  return describeRoute({
    summary,
    responses: {
      [status]: { description: summary, content: { "application/json": { schema: resolver(reply) } } },
      default: { description: "A problem", content: PROBLEM },
    },
  });
}
