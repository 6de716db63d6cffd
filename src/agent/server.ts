/**
 * The agent's unix socket: reads the preface, compares the token in constant time, and gives the connection to
 * conat or to a port. Whoever can reach the socket but does not know the token gets one line and nothing else.
 */
import { timingSafeEqual } from "node:crypto";
import { chmodSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { Peer } from "../conat/peer.ts";
import { streamTransport } from "../conat/transport-stream.ts";
import {
  formatRefusal,
  MAX_PREFACE_BYTES,
  PREFACE_TIMEOUT_MS,
  parsePreface,
} from "../contract/agent-protocol.ts";
import { CodedError, errnoOf, toProblem } from "../core/errors.ts";
import type { Services } from "./services.ts";

export interface AgentServerOptions {
  socket: string;
  token: string;
  project_id: string;
  services: Services;
  /** Milliseconds for the preface; {@link PREFACE_TIMEOUT_MS} unless said. */
  prefaceTimeout?: number;
}

function sameToken(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function malformed(why: string): CodedError {
  return new CodedError({ code: "agent.bad-preface", title: "That is no greeting of a host", why });
}

/** Bytes up to the first newline, and what came behind it. The socket is paused afterwards. */
function readPreface(socket: Socket, timeout: number): Promise<{ line: string; rest: Uint8Array }> {
  return new Promise((resolve, reject) => {
    let got: Buffer = Buffer.alloc(0);
    const settle = (run: () => void) => {
      clearTimeout(timer);
      socket.pause();
      socket.off("data", receive);
      socket.off("end", ended);
      socket.off("close", ended);
      run();
    };
    const receive = (chunk: Buffer) => {
      got = got.length === 0 ? chunk : Buffer.concat([got, chunk]);
      const at = got.indexOf(10);
      if (at >= 0 && at < MAX_PREFACE_BYTES) {
        settle(() => resolve({ line: got.subarray(0, at).toString("latin1"), rest: got.subarray(at + 1) }));
      } else if (at >= 0 || got.length >= MAX_PREFACE_BYTES)
        settle(() => reject(malformed("the line is too long")));
    };
    const ended = () => settle(() => reject(malformed("it ended before its line did")));
    const timer = setTimeout(() => settle(() => reject(malformed("no line came in time"))), timeout);
    socket.on("data", receive);
    socket.on("end", ended);
    socket.on("close", ended);
  });
}

async function serve(socket: Socket, options: AgentServerOptions): Promise<void> {
  // A connection that breaks tells by `close`; an error without a listener would end the agent.
  socket.on("error", () => {});
  try {
    const { line, rest } = await readPreface(socket, options.prefaceTimeout ?? PREFACE_TIMEOUT_MS);
    const preface = parsePreface(line);
    if (preface === undefined) throw malformed("the line makes no sense");
    if (!sameToken(preface.token, options.token)) {
      throw new CodedError({
        code: "agent.bad-token",
        title: "The token is that of another project, or of an earlier start",
      });
    }
    if (preface.purpose.kind === "splice") {
      const { connectLocal, join } = await import("./splice.ts");
      const upstream = await connectLocal(preface.purpose.port);
      socket.write("ok\n");
      if (rest.length > 0) upstream.write(rest);
      join(socket, upstream);
      return;
    }
    if (preface.purpose.kind === "files") {
      const files = await options.services.files();
      socket.write("ok\n");
      files.accept(socket, rest);
      return;
    }
    socket.write("ok\n");
    const peer = new Peer(streamTransport(socket, rest), { heartbeat: false });
    options.services.router.attach(peer, {
      allow: [`project.${options.project_id}.>`],
      serve: [],
      data: "host",
    });
  } catch (error) {
    const coded = error instanceof CodedError ? error : new CodedError(toProblem(error));
    socket.end(formatRefusal(coded));
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

/** The socket of an agent that was killed is replaced: a project has one agent, and its start is the newest. */
export async function listen(options: AgentServerOptions): Promise<Server> {
  try {
    unlinkSync(options.socket);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const server = createServer(
    { allowHalfOpen: true, pauseOnConnect: false },
    (socket) => void serve(socket, options),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: options.socket, backlog: 1024 }, resolve);
  });
  // The host's user is outside this user namespace: the directory decides who comes near, the token who comes in.
  chmodSync(options.socket, 0o666);
  return server;
}
