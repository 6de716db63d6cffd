/** Ways that lead to an upstream, under which every case must pass: a relay alone, two in a row, and the real chain. */
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  createAgent,
  type RelayTarget,
  refuseUpgrade,
  relayRequest,
  relayUpgrade,
} from "../../src/core/relay/relay.ts";
import { openChain } from "../fixtures/chain-lab.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

export interface Mount {
  upstream: Upstream;
  connect(): Socket;
  /** What a client writes for a path of the upstream's. */
  path(path: string): string;
  host: string;
  /** Lines every request needs to be let in. */
  headers: string;
  /** What a WebSocket must say it comes from, where that is judged. */
  origin?: string;
  /** Nothing at all is added on the way. */
  bare: boolean;
  close(): Promise<void> | void;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

export async function relayTo(port: number): Promise<{ port: number; close(): void }> {
  const agent = createAgent();
  const target = (path: string): RelayTarget => ({
    agent,
    host: "127.0.0.1",
    port,
    path,
    headersOut: (headers) => headers,
    headersBack: (headers) => headers,
  });
  const server = createServer();
  const onRequest: Parameters<typeof createServer>[1] = (req, res) =>
    relayRequest(req, res, target(req.url ?? "/"), (error) => {
      if (!res.headersSent) res.writeHead(error.status);
      res.end(error.code);
    });
  if (onRequest) server.on("request", onRequest).on("checkContinue", onRequest);
  server.on("upgrade", (req, socket, head) =>
    relayUpgrade(req, socket, head, target(req.url ?? "/"), (error) =>
      refuseUpgrade(socket, error.status, error.code),
    ),
  );
  return { port: await listen(server), close: () => void server.close() };
}

/** `hops` relays in a row before an upstream. */
export async function relays(hops: number): Promise<Mount> {
  const upstream = await startUpstream();
  const closers: (() => void)[] = [upstream.close];
  let { port } = upstream;
  for (let hop = 0; hop < hops; hop++) {
    const relay = await relayTo(port);
    closers.push(relay.close);
    port = relay.port;
  }
  return {
    upstream,
    connect: () => connectTcp(port, "127.0.0.1").on("error", () => {}),
    path: (path) => path,
    host: "app.example",
    headers: "",
    bare: true,
    close: () => {
      for (const close of closers) close();
    },
  };
}

/** The bytes of one request. `keep`: no `Connection: close` is added. */
export function ask(
  mount: Mount,
  request: { method?: string; path: string; headers?: string; body?: string; keep?: boolean },
): string {
  const { method = "GET", path, headers = "", body, keep = false } = request;
  return [
    `${method} ${mount.path(path)} HTTP/1.1\r\nHost: ${mount.host}\r\n`,
    mount.headers,
    headers,
    body === undefined ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`,
    keep ? "" : "Connection: close\r\n",
    `\r\n${body ?? ""}`,
  ].join("");
}

/** Sends bytes as they are and returns all that comes back until the other side ends or `ms` passed. */
export function raw(
  mount: Pick<Mount, "connect">,
  bytes: string,
  ms = 1500,
  until?: RegExp,
): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = mount.connect();
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    const timer = setTimeout(done, ms);
    socket.write(Buffer.from(bytes, "latin1"));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (until?.test(Buffer.concat(chunks).toString("latin1"))) done();
    });
    socket.on("close", done);
    socket.on("end", done);
  });
}

/** An app in a project, seen from a browser: through the gateway, its host and its agent. */
export async function chain(options: { secure: boolean; tunnel: boolean }): Promise<Mount> {
  const upstream = await startUpstream();
  const lab = await openChain({ tunnel: options.tunnel });
  const port = options.secure ? lab.ports.apps : lab.ports.loopbackApps;
  const host = options.secure ? `localhost:${port}` : `${lab.project_id}.localhost:${port}`;
  return {
    upstream,
    connect() {
      const socket = options.secure
        ? connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: lab.tls.caPem })
        : connectTcp(port, "127.0.0.1");
      return socket.on("error", () => {});
    },
    path: (path) => `/${lab.project_id}/proxy/${upstream.port}${path}`,
    host,
    headers: lab.cookie(options.secure),
    origin: `${options.secure ? "https" : "http"}://${host}`,
    bare: false,
    async close() {
      await lab.close();
      upstream.close();
    },
  };
}
