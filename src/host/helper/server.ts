/** The helper's socket: who asks is checked by the kernel's word, what is asked by a closed list of schemas. */
import { chmodSync, chownSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { z } from "zod";
import { CodedError, EX, errnoOf, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { peerUid } from "./native.ts";
import {
  type HelperReply,
  type HelperRequest,
  type HelperVerb,
  helperVerbs,
  MAX_LINE_BYTES,
} from "./verbs.ts";

export type HelperHandlers = {
  [V in HelperVerb]: (params: HelperRequest<V>) => HelperReply<V> | Promise<HelperReply<V>>;
};

/** A request line must come within this. */
const LINE_TIMEOUT_MS = 5_000;
const log = logger("helper");

const envelope = z.strictObject({ verb: z.string().max(100), params: z.unknown() });

function refused(title: string, why?: string, errors?: { path: string; message: string }[]): CodedError {
  return new CodedError({ code: "helper.refused", title, why, errors, status: 400, exit: EX.NOPERM });
}

/** Parses one request line. Every refusal is `helper.refused` and names the field. */
export function parseRequest(line: string): { verb: HelperVerb; params: never } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw refused("The request is no JSON");
  }
  const outer = envelope.safeParse(value);
  if (!outer.success) throw refused("The request is not {verb, params}");
  const verb = outer.data.verb;
  if (!Object.hasOwn(helperVerbs, verb)) throw refused(`The helper has no verb “${verb.slice(0, 40)}”`);
  const inner = helperVerbs[verb as HelperVerb].request.safeParse(outer.data.params ?? {});
  if (!inner.success) {
    const errors = inner.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
    throw refused(
      `${verb}: ${errors[0]?.path || "params"}: ${errors[0]?.message ?? "refused"}`,
      undefined,
      errors,
    );
  }
  return { verb: verb as HelperVerb, params: inner.data as never };
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let got: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => reject(refused("No request came in time")), LINE_TIMEOUT_MS);
    socket.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      const at = got.indexOf(10);
      if (at < 0 && got.length <= MAX_LINE_BYTES) return;
      clearTimeout(timer);
      if (at < 0 || at > MAX_LINE_BYTES) reject(refused("The request is too long"));
      else resolve(got.subarray(0, at).toString("utf8"));
    });
    socket.on("close", () => {
      clearTimeout(timer);
      reject(refused("The connection was closed"));
    });
  });
}

async function answer(socket: Socket, allowed: readonly number[], handlers: HelperHandlers): Promise<void> {
  socket.on("error", () => {});
  let out: unknown;
  try {
    const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
    const uid = fd === undefined ? -1 : peerUid(fd);
    if (!allowed.includes(uid)) {
      log.warn("refused a caller", { uid });
      throw refused("Only this host's own user may ask the helper", `you are user ${uid}`);
    }
    const { verb, params } = parseRequest(await readLine(socket));
    const started = performance.now();
    const reply = await handlers[verb](params);
    log.debug(verb, { ms: Math.round(performance.now() - started) });
    out = { reply };
  } catch (error) {
    const problem = toProblem(error);
    if (problem.code !== "helper.refused") log.error(problem.title, { code: problem.code, why: problem.why });
    out = { problem };
  }
  socket.end(`${JSON.stringify(out)}\n`);
}

/** Listens; the socket is the host user's alone (0600), and its peer's uid is checked again on each connection. */
export async function serveHelper(
  path: string,
  owner: { uid: number; gid: number },
  handlers: HelperHandlers,
): Promise<Server> {
  try {
    // Whatever lies there is the host user's: a link is removed, not followed.
    if (lstatSync(path).isDirectory()) throw refused(`${path} is a directory`);
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void answer(socket, [0, owner.uid], handlers);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: 256 }, resolve);
  });
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
  chmodSync(path, 0o600);
  return server;
}
