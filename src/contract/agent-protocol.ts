/**
 * Host ↔ agent: a unix socket in a directory that is bound into the container. The first line from the host says
 * what for, the agent answers `ok` or `err`, then the bytes belong to that purpose. The token, made anew for each
 * start, proves to the agent that the host meant *this* project: a project may replace its socket by a symlink
 * to another's.
 */
import { CodedError } from "../core/errors.ts";

/** The token; the agent drops it from what its children inherit. */
export const AGENT_TOKEN_ENV = "COCALC_AGENT_TOKEN";
/** Where the agent listens. */
export const AGENT_SOCKET_ENV = "COCALC_AGENT_SOCKET";
export const PROJECT_ID_ENV = "COCALC_PROJECT_ID";
/** The project's directory, where that is not HOME (runtime `process`). */
export const PROJECT_DIR_ENV = "COCALC_PROJECT_DIR";
/** How many processes the agent's children may be, where the container has a limit. */
export const PROCESS_LIMIT_ENV = "COCALC_PROCESS_LIMIT";
/** {@link AGENT_SOCKET_ENV} inside a container. */
export const AGENT_SOCKET_PATH = "/run/cocalc/agent.sock";

/** Token, verb and port fit with room to spare; more without a newline is no preface. */
export const MAX_PREFACE_BYTES = 256;
export const PREFACE_TIMEOUT_MS = 5_000;

const TOKEN = /^[A-Za-z0-9_-]{16,128}$/;

/** `files`: HTTP, as files-http.ts has it, without the project in its paths. */
export type AgentPurpose = { kind: "conat" } | { kind: "files" } | { kind: "splice"; port: number };

export function formatPreface(token: string, purpose: AgentPurpose): string {
  return purpose.kind === "splice" ? `${token} splice ${purpose.port}\n` : `${token} ${purpose.kind}\n`;
}

/** A preface line without its newline; undefined when it is none. */
export function parsePreface(line: string): { token: string; purpose: AgentPurpose } | undefined {
  const [token, verb, port, ...rest] = line.split(" ");
  if (token === undefined || !TOKEN.test(token) || rest.length > 0) return undefined;
  if ((verb === "conat" || verb === "files") && port === undefined) return { token, purpose: { kind: verb } };
  if (verb === "splice" && port !== undefined && /^[1-9][0-9]{0,4}$/.test(port) && Number(port) <= 65535) {
    return { token, purpose: { kind: "splice", port: Number(port) } };
  }
  return undefined;
}

export function formatRefusal(error: CodedError): string {
  return `err ${error.code} ${error.message.replaceAll(/[\r\n]+/g, " ").slice(0, 200)}\n`;
}

/** The answer line without its newline: nothing when it is `ok`, else throws what the agent said. */
export function checkAnswer(line: string): void {
  if (line === "ok") return;
  const match = /^err ([a-z0-9.-]{1,80}) (.*)$/.exec(line);
  throw new CodedError({
    code: match?.[1] ?? "agent.malformed",
    title: match?.[2] ?? "The project's agent answered with something else than a greeting",
    status: 502,
  });
}
