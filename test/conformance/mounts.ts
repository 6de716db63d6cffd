/** Ways that lead to an upstream, under which every case must pass: the relay alone, and two of them in a row. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect as connectTcp } from "node:net";
import {
  createAgent,
  type RelayTarget,
  refuseUpgrade,
  relayRequest,
  relayUpgrade,
} from "../../src/core/relay/relay.ts";

export interface Mount {
  port: number;
  close(): void;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

export async function relayTo(port: number): Promise<Mount> {
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

/** Sends bytes as they are and returns all that comes back until the other side ends or `ms` passed. */
export function raw(port: number, bytes: string, ms = 1500, until?: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connectTcp(port, "127.0.0.1");
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    const timer = setTimeout(done, ms);
    socket.on("connect", () => socket.write(Buffer.from(bytes, "latin1")));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (until?.test(Buffer.concat(chunks).toString("latin1"))) done();
    });
    socket.on("close", done);
    socket.on("error", done);
  });
}
