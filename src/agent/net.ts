/** Connections out of and into the project, carried by streams: what forwards over SSH are made of. */
import { randomBytes } from "node:crypto";
import { chmodSync, constants, mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import {
  MAX_AUTHORIZED_KEYS_BYTES,
  MAX_WAITING_CONNECTIONS,
  netStreams,
} from "../contract/project-services/net.ts";
import { CodedError, errnoOf, messageOf } from "../core/errors.ts";
import { resolvePath } from "./paths.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** A connection that nobody takes is closed after this time. */
const ACCEPT_TIMEOUT_MS = 30_000;
/** Read from a socket before the stream's far end had credit for it. */
const AHEAD_BYTES = 256 * 1024;
const LAST_BYTES_MS = 50;

type Listen = z.output<(typeof netStreams)["net.listen"]["params"]>;

/** Bytes both ways with backpressure and half-close; a break of either side breaks the other. */
export function joinStream(socket: Socket, stream: ConatStream): void {
  socket.on("data", (bytes: Buffer) => {
    const sent = stream.write(bytes);
    if (stream.pending > AHEAD_BYTES) {
      socket.pause();
      sent.then(
        () => socket.resume(),
        () => {},
      );
    } else sent.catch(() => {});
  });
  socket.on("end", () => stream.end());
  socket.on("error", () => stream.reset(broken()));
  socket.on("close", (failed: boolean) => {
    if (failed) stream.reset(broken());
    // Bun may tell of the close before it has handed over what came last.
    else setTimeout(() => stream.end(), LAST_BYTES_MS);
  });
  stream.onData((bytes) => {
    if (socket.destroyed || socket.write(bytes.slice())) return undefined;
    return new Promise<void>((resolve) => {
      socket.once("drain", resolve);
      socket.once("close", () => resolve());
    });
  });
  stream.onEnd(() => socket.end());
  stream.onClose((error) => {
    if (error !== undefined) socket.destroy();
  });
  socket.resume();
}

const broken = () => new CodedError({ code: "net.broken", title: "The connection broke", status: 502 });

export async function connectStream(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params = netStreams["net.connect"].params.parse(raw);
  const target =
    "path" in params ? { path: resolvePath(home, params.path) } : { host: params.host, port: params.port };
  const socket = await new Promise<Socket>((resolve, reject) => {
    const made = createConnection({ ...target, allowHalfOpen: true, noDelay: true } as never);
    const refused = (why: string) =>
      reject(
        new CodedError({
          code: "net.refused",
          title: `No connection to ${"path" in params ? params.path : `${params.host}:${params.port}`}`,
          why,
          status: 502,
        }),
      );
    const timer = setTimeout(() => {
      made.destroy();
      refused(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`);
    }, CONNECT_TIMEOUT_MS);
    made.once("connect", () => {
      clearTimeout(timer);
      made.removeAllListeners("error");
      resolve(made);
    });
    made.once("error", (error) => {
      clearTimeout(timer);
      refused(messageOf(error));
    });
  });
  stream.accept();
  joinStream(socket, stream);
}

const waiting = new Map<string, Socket>();

export async function listenStream(stream: ConatStream, raw: unknown, home: string): Promise<void> {
  const params = netStreams["net.listen"].params.parse(raw);
  const own = "agent" in params ? mkdtempSync(join(tmpdir(), "ssh-")) : undefined;
  const path =
    own === undefined ? ("path" in params ? resolvePath(home, params.path) : "") : join(own, "agent");
  const mine = new Set<string>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    if (mine.size >= MAX_WAITING_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const connection_id = randomBytes(12).toString("base64url");
    const forget = () => {
      clearTimeout(timer);
      waiting.delete(connection_id);
      mine.delete(connection_id);
    };
    const timer = setTimeout(() => {
      forget();
      socket.destroy();
    }, ACCEPT_TIMEOUT_MS);
    socket.once("close", forget);
    socket.once("taken", forget);
    waiting.set(connection_id, socket);
    mine.add(connection_id);
    const { remoteAddress = "", remotePort = 0 } = socket;
    stream.sendMessage({ type: "connection", connection_id, address: remoteAddress, port: remotePort });
  });
  try {
    await bind(server, params, path);
  } catch (error) {
    if (own !== undefined) rmSync(own, { recursive: true, force: true });
    throw error;
  }
  // Whoever can connect speaks with the keys of the person behind it.
  if (path !== "") chmodSync(path, 0o600);
  const address = server.address();
  stream.onEnd(() => stream.end());
  stream.onClose(() => {
    server.close();
    for (const id of mine) waiting.get(id)?.destroy();
    if (own !== undefined) rmSync(own, { recursive: true, force: true });
    else if (path !== "") rmSync(path, { force: true });
  });
  stream.sendMessage({
    type: "listening",
    port: typeof address === "object" && address !== null ? address.port : 0,
    path,
  });
}

async function bind(server: Server, params: Listen, path: string): Promise<void> {
  // As sshd has it (GatewayPorts no is its default; here the namespace is the project's own): empty is loopback.
  const target =
    "port" in params ? { host: params.host || "127.0.0.1", port: params.port } : { path, backlog: 64 };
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new CodedError({
          code: "net.in-use",
          title: `Cannot listen on ${"port" in params ? `${params.host}:${params.port}` : path}`,
          why: messageOf(error),
          status: 409,
        }),
      ),
    );
    server.listen(target, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    });
  });
}

export function acceptStream(stream: ConatStream, raw: unknown): void {
  const { connection_id } = netStreams["net.accept"].params.parse(raw);
  const socket = waiting.get(connection_id);
  if (socket === undefined)
    throw new CodedError({ code: "net.gone", title: "That connection has ended", status: 404 });
  socket.emit("taken");
  stream.accept();
  joinStream(socket, stream);
}

/** As much as one may read; a file that is not there, a directory or a device holds no keys. */
export async function readAuthorizedKeys(home: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(join(home, ".ssh/authorized_keys"), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(errnoOf(error) ?? "")) return "";
    throw error;
  }
  try {
    if (!(await file.stat()).isFile()) return "";
    // In bytes, so that the text is within the limit as characters too.
    const { bytesRead, buffer } = await file.read(
      Buffer.alloc(MAX_AUTHORIZED_KEYS_BYTES),
      0,
      MAX_AUTHORIZED_KEYS_BYTES,
      0,
    );
    return buffer.subarray(0, bytesRead).toString("latin1");
  } finally {
    await file.close();
  }
}
