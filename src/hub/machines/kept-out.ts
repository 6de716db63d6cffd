/**
 * OpenSSH 9.8 and later keeps an address out for a while that made connections without logging in (PerSourcePenalties),
 * and says so in place of its banner. Looking at a machine's key is such a connection; so is a key that is refused.
 */
import { connect } from "node:net";
import { CodedError, EX } from "../../core/errors.ts";
import type { Target } from "./target.ts";

export const NOT_NOW = "Not allowed at this time";
const ANSWER_MS = 10_000;
const PAUSE_MS = 2_000;
/** The least that it keeps out is 15 s; more is for those who went on. */
const PATIENCE_MS = 45_000;

/** What a server says first, or nothing. */
async function firstWords(target: Target): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port });
    const end = (said: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = setTimeout(() => end(""), ANSWER_MS);
    socket.once("data", (bytes: Buffer) => end(bytes.toString("latin1")));
    socket.once("error", () => end(""));
    socket.once("end", () => end(""));
  });
}

/**
 * Whether the hub was kept out; if so, returns when it is let in again. Error `machine.kept-out` after 45 s.
 * A connection that is turned away so costs nothing more.
 */
export async function waitedOut(target: Target, signal?: AbortSignal): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS;
  for (let waited = false; ; waited = true) {
    if (!(await firstWords(target)).startsWith(NOT_NOW)) return waited;
    if (signal?.aborted) throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
    if (performance.now() > end) {
      throw new CodedError({
        code: "machine.kept-out",
        title: `${target.host} lets nobody in from the hub's address for now`,
        why: `Its SSH server counts connections that did not log in, and says “${NOT_NOW}”.`,
        fix: "Try again in some minutes; or name the hub's address there in /etc/ssh/sshd_config: PerSourcePenaltyExemptList.",
        status: 409,
        exit: EX.TEMPFAIL,
      });
    }
    await Bun.sleep(PAUSE_MS);
  }
}
