/** The host daemon's side of the helper's socket: one connection per request, so a slow start holds up nobody. */
import { createConnection } from "node:net";
import { problemSchema } from "../../contract/problem.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { type HelperReply, type HelperRequest, type HelperVerb, helperVerbs } from "./verbs.ts";

/** Unpacking an image on a slow disk is the longest of most. */
const CALL_TIMEOUT_MS = 300_000;
/** A virtual machine's image is fetched, it boots and installs itself; another may be before it. */
const VM_TIMEOUT_MS = 2 * 3_600_000;

export interface Helper {
  /** Errors: `helper.away`, and whatever the helper answers with. */
  call<V extends HelperVerb>(verb: V, params: HelperRequest<V>): Promise<HelperReply<V>>;
}

function away(why: string, cause?: unknown): CodedError {
  return new CodedError(
    {
      code: "helper.away",
      title: "The helper, which starts containers, does not answer",
      why,
      fix: "It is restarted by itself within seconds. If this lasts, start `cocalc-project-host up` as root, or see its log.",
      status: 503,
      exit: EX.UNAVAILABLE,
    },
    { cause },
  );
}

export function helperClient(socketPath: string): Helper {
  return {
    call: (verb, params) =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        const socket = createConnection({ path: socketPath });
        const limit = verb === "vm.act" ? VM_TIMEOUT_MS : CALL_TIMEOUT_MS;
        const timer = setTimeout(() => {
          reject(away(`no answer to ${verb} within ${limit / 1000} s`));
          socket.destroy();
        }, limit);
        socket.on("connect", () => socket.write(`${JSON.stringify({ verb, params })}\n`));
        socket.on("data", (chunk: Buffer) => chunks.push(chunk));
        socket.on("error", (error) => {
          clearTimeout(timer);
          reject(away(messageOf(error), error));
        });
        socket.on("close", () => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString("utf8");
          if (!text.endsWith("\n")) {
            reject(away(`it closed the connection during ${verb}`));
            return;
          }
          try {
            const answer = JSON.parse(text) as { reply?: unknown; problem?: unknown };
            if (answer.problem !== undefined) reject(new CodedError(problemSchema.parse(answer.problem)));
            else resolve(helperVerbs[verb].reply.parse(answer.reply) as HelperReply<typeof verb>);
          } catch (error) {
            reject(error);
          }
        });
      }),
  };
}
