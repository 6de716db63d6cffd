/** Where a request or an upgrade goes, and how a failure on the way is told. */
import type { Agent } from "node:http";
import { CodedError, errnoOf, messageOf } from "../errors.ts";
import type { RawHeader } from "./headers.ts";

export interface RelayTarget {
  /** Connections of it are kept and shared by all requests to this target. */
  agent: Agent;
  host: string;
  port: number;
  /** Path and query as the upstream is to see them, raw. */
  path: string;
  /** Of an upgrade: milliseconds until it is given up; for ever unless said. */
  answerMs?: number;
  /** End-to-end headers going out; what it returns is sent. */
  headersOut(headers: RawHeader[]): RawHeader[];
  /** End-to-end headers coming back. */
  headersBack(headers: RawHeader[], status: number): RawHeader[];
}

/** Answers in the relay's place, while nothing was sent yet. */
export type Failed = (error: CodedError) => void;

/** The cause in words, from what the socket said. */
export function failure(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const refused = errnoOf(error) === "ECONNREFUSED";
  return new CodedError(
    {
      code: refused ? "proxy.refused" : "proxy.broken",
      title: refused ? "Nothing listens there" : "The connection broke before an answer came",
      why: messageOf(error),
      status: 502,
    },
    { cause: error },
  );
}

export function noAnswer(ms: number): CodedError {
  return new CodedError({
    code: "proxy.no-answer",
    title: `No answer within ${ms / 1000} s`,
    why: "The connection was taken and nothing came back.",
    fix: "Reload in a moment; if it stays so, the program that listens there hangs.",
    status: 504,
  });
}
