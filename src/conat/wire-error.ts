/** Errors on the wire. What comes in is untrusted: known fields only, cut to a length. */
import { CodedError, type ProblemDetails, toProblem } from "../core/errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";

const MAX_TEXT_CHARS = 2000;

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, MAX_TEXT_CHARS) : undefined;
}

export function encodeProblem(error: unknown): Uint8Array {
  return encodeJson(sanitizeProblem(toProblem(error)));
}

export function sanitizeProblem(value: unknown): ProblemDetails {
  const raw = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const problem: ProblemDetails = {
    code: text(raw.code)?.slice(0, 80) ?? "conat.unknown",
    title: text(raw.title) ?? "The other side failed without saying why",
  };
  for (const key of ["why", "fix", "command"] as const) {
    const value = text(raw[key]);
    if (value !== undefined) problem[key] = value;
  }
  if (typeof raw.status === "number" && raw.status >= 400 && raw.status <= 599) problem.status = raw.status;
  if (typeof raw.exit === "number" && raw.exit >= 1 && raw.exit <= 255) problem.exit = raw.exit;
  if (Array.isArray(raw.errors)) {
    problem.errors = raw.errors
      .slice(0, 50)
      .map((entry) => ({ path: text(entry?.path) ?? "", message: text(entry?.message) ?? "" }));
  }
  return problem;
}

/** Never throws: an error that is itself malformed is an error all the same. */
export function decodeProblem(payload: Uint8Array): CodedError {
  let value: unknown;
  try {
    value = decodeJson(payload);
  } catch {
    value = undefined;
  }
  return new CodedError(sanitizeProblem(value));
}

export function disconnected(why?: string): CodedError {
  return new CodedError({
    code: "conat.disconnected",
    title: "The connection was lost",
    ...(why === undefined ? {} : { why }),
    status: 503,
  });
}

export function protocolError(why: string): CodedError {
  return new CodedError({
    code: "conat.protocol",
    title: "The other side broke the conat protocol",
    why,
    status: 400,
  });
}

export function timedOut(subject: string, timeout: number): CodedError {
  return new CodedError({
    code: "conat.timeout",
    title: `No answer from ${subject} within ${timeout / 1000} s`,
    status: 504,
  });
}

export function noResponder(subject: string): CodedError {
  return new CodedError({
    code: "conat.no-responder",
    title: `Nobody answers ${subject}`,
    why: "The part that serves it is not connected.",
    status: 503,
  });
}

export function forbidden(subject: string): CodedError {
  return new CodedError({
    code: "conat.forbidden",
    title: `${subject} may not be used on this connection`,
    status: 403,
  });
}
