import { afterAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { type WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import { CodedError } from "../core/errors.ts";
import { type ClientState, connect } from "./client.ts";
import { Peer } from "./peer.ts";
import { Router } from "./router.ts";
import { memoryTransports } from "./transport-stream.ts";
import { MAX_WS_MESSAGE_BYTES, type WebSocketLike, webSocketTransport } from "./transport-ws.ts";

const cleanups: (() => void)[] = [];
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

/** A real server with the `ws` package, a router behind it, and a way to cut all its sockets. */
async function serve(): Promise<{
  url: string;
  router: Router;
  sockets: Set<NodeWebSocket>;
  server: Server;
}> {
  const router = new Router();
  const sockets = new Set<NodeWebSocket>();
  const wss = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_WS_MESSAGE_BYTES,
  });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, (ws) => {
      sockets.add(ws);
      ws.on("close", () => sockets.delete(ws));
      router.attach(new Peer(webSocketTransport(ws as unknown as WebSocketLike)), {
        allow: ["t.>"],
        serve: [],
        data: request.headers["x-who"],
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    for (const ws of sockets) ws.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, router, sockets, server };
}

describe("client", () => {
  test("over a real WebSocket: headers, requests, streams, and all again after the socket was cut", async () => {
    const { url, router, sockets } = await serve();
    router.handle("t.who", (_s, _d, { data }) => data);
    router.handle("t.slow", async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      return "late";
    });
    router.handleStream("t.echo", (_s, _p, stream) => {
      stream.onData((bytes) => stream.write(bytes));
      stream.onEnd(() => stream.end());
    });
    const states: ClientState["state"][] = [];
    const client = connect({
      url,
      headers: () => ({ "x-who": "anna" }),
      onState: ({ state }) => states.push(state),
      maxBackoff: 50,
    });
    cleanups.push(() => client.close());
    expect(await client.request("t.who")).toBe("anna");
    expect(await client.peer!.ping()).toBeGreaterThan(0);
    const seen: unknown[] = [];
    client.subscribe("t.news", (_, data) => seen.push(data));
    const stream = await client.openStream("t.echo");
    let got = 0;
    stream.onData((bytes) => {
      got += bytes.length;
    });
    await stream.write(new Uint8Array(1_000_000));
    stream.end();
    await new Promise((resolve) => stream.onClose(resolve));
    expect(got).toBe(1_000_000);

    const broken = await client.openStream("t.echo");
    const closed = new Promise<CodedError | undefined>((resolve) => broken.onClose(resolve));
    const fails = client.request("t.slow").catch((error) => error.code);
    const again = client.request("t.slow", undefined, { idempotent: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const ws of sockets) ws.terminate();
    expect(await fails).toBe("conat.disconnected");
    expect((await closed)?.code).toBe("conat.disconnected");
    expect(await again).toBe("late");
    router.publish("t.news", 1);
    await client.request("t.who");
    expect(seen).toEqual([1]);
    expect(states).toEqual(["connecting", "connected", "waiting", "connecting", "connected"]);
    client.close();
    expect(await client.request("t.who").catch((error) => error.code)).toBe("conat.disconnected");
  });

  test("a text or malformed message closes with a code", async () => {
    const { url } = await serve();
    for (const message of ["text", new Uint8Array([99, 0, 0, 0, 0, 0, 0, 0, 0])]) {
      const socket = new WebSocket(url);
      const code = await new Promise<number>((resolve) => {
        socket.onopen = () => socket.send(message);
        socket.onclose = (event) => resolve(event.code);
      });
      expect(code).toBe(4400);
    }
  });

  test("a black hole is found by the heartbeat", async () => {
    const [a] = memoryTransports();
    const peer = new Peer(a, { heartbeat: { interval: 10, deadAfter: 30 } });
    const error = await new Promise<CodedError>((resolve) => peer.onClose(resolve));
    expect(error.code).toBe("conat.disconnected");
    expect(error.details.why).toContain("nothing was heard");
  });

  test("gives up where told to, and backs off until then", async () => {
    let dials = 0;
    const states: ClientState[] = [];
    const client = connect({
      dial: async () => {
        dials++;
        throw new CodedError({ code: dials < 3 ? "x.down" : "x.refused", title: "no" });
      },
      giveUp: (error) => error.code === "x.refused",
      maxBackoff: 10,
      onState: (state) => states.push(state),
    });
    while (client.state.state !== "closed") await new Promise((resolve) => setTimeout(resolve, 5));
    expect(dials).toBe(3);
    expect(client.state.problem?.code).toBe("x.refused");
    expect(states.filter(({ state }) => state === "waiting").map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test("who waits until it is connected learns why it is not", async () => {
    // Takes the connection, and says nothing.
    const silent = createTcpServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    cleanups.push(() => silent.close());
    const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const client = connect({ url, connectTimeout: 50, giveUp: () => true });
    const failure = await client.ready(5_000).catch((error: CodedError) => error.details);
    expect(failure).toMatchObject({ code: "conat.disconnected", why: "no connection within 0.05 s" });
    const there = await serve();
    const other = connect({ url: there.url });
    await other.ready(5_000);
    expect(other.state.state).toBe("connected");
    other.close();
  });
});
