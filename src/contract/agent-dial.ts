/** The host's way to an agent: connects, proves itself, and hands over the socket for what was asked. */
import { lstatSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { Peer } from "../conat/peer.ts";
import { streamTransport } from "../conat/transport-stream.ts";
import { CodedError, errnoOf, messageOf } from "../core/errors.ts";
import {
  type AgentPurpose,
  checkAnswer,
  formatPreface,
  MAX_PREFACE_BYTES,
  PREFACE_TIMEOUT_MS,
} from "./agent-protocol.ts";

/** A full backlog shows as ECONNREFUSED under Bun (Node says EAGAIN): a few tries tell it from a dead agent. */
const CONNECT_TRIES = 3;
const CONNECT_RETRY_MS = 20;

function unreachable(why: string, cause?: unknown): CodedError {
  return new CodedError(
    {
      code: "agent.unreachable",
      title: "The project's agent does not answer",
      why,
      fix: "Wait a moment if the project is starting; else restart it.",
      status: 503,
    },
    { cause },
  );
}

async function connectOnce(path: string): Promise<Socket> {
  // The directory is the project's to write. A link there could lead to a socket of the host's own.
  let isSocket = false;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    throw unreachable(messageOf(error), error);
  }
  if (!isSocket) throw unreachable(`${path} is no socket`);
  return await new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

async function connectSocket(path: string): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(path);
    } catch (error) {
      if (error instanceof CodedError) throw error;
      const busy = errnoOf(error) === "ECONNREFUSED" || errnoOf(error) === "EAGAIN";
      if (!busy || attempt === CONNECT_TRIES) throw unreachable(messageOf(error), error);
      await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
    }
  }
}

/**
 * Connects to an agent's socket for one purpose. The socket is paused; `head` holds bytes that came behind the
 * answer. Errors: `agent.unreachable`, and what the agent refuses with (`agent.bad-token`, `splice.refused` …).
 */
export async function dialAgent(
  path: string,
  token: string,
  purpose: AgentPurpose,
): Promise<{ socket: Socket; head: Uint8Array }> {
  const socket = await connectSocket(path);
  return await new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const fail = (error: CodedError) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(unreachable(`no answer within ${PREFACE_TIMEOUT_MS / 1000} s`)),
      PREFACE_TIMEOUT_MS,
    );
    const failed = (error: Error) => fail(unreachable(messageOf(error), error));
    const closed = () => fail(unreachable("it closed the connection"));
    const receive = (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      const at = got.indexOf(10);
      if (at < 0 && got.length <= MAX_PREFACE_BYTES * 2) return;
      clearTimeout(timer);
      socket.pause();
      socket.off("data", receive);
      socket.off("error", failed);
      socket.off("close", closed);
      socket.off("end", closed);
      try {
        checkAnswer(at < 0 ? "" : got.subarray(0, at).toString("latin1"));
        resolve({ socket, head: new Uint8Array(got.subarray(at + 1)) });
      } catch (error) {
        socket.on("error", () => {});
        socket.destroy();
        reject(error);
      }
    };
    socket.on("data", receive);
    socket.on("error", failed);
    socket.on("close", closed);
    socket.on("end", closed);
    socket.write(formatPreface(token, purpose));
  });
}

/**
 * A conat peer towards an agent: attach it to the host's router with `serve: ["project.<id>.>"]`.
 * The kernel tells when the other end of a unix socket dies, so there is no heartbeat.
 */
export async function dialAgentPeer(path: string, token: string): Promise<Peer> {
  const { socket, head } = await dialAgent(path, token, { kind: "conat" });
  return new Peer(streamTransport(socket, head), { heartbeat: false });
}
