import { expect, test } from "bun:test";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { createAgent, refuseUpgrade, relayUpgrade } from "./relay.ts";

const listen = (server: Server) =>
  new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );

test("an upstream that takes the connection and says nothing is given up", async () => {
  const silent = createServer((socket) => socket.on("error", () => {}));
  const port = await listen(silent);
  const relay = createHttpServer();
  relay.on("upgrade", (req, socket, head) =>
    relayUpgrade(
      req,
      socket,
      head,
      {
        agent: createAgent(),
        host: "127.0.0.1",
        port,
        path: "/",
        answerMs: 100,
        headersOut: (headers) => headers,
        headersBack: (headers) => headers,
      },
      (error) => refuseUpgrade(socket, error.details.status ?? 500, error.details.code),
    ),
  );
  const relayPort = await listen(relay);
  try {
    const answer = await fetch(`http://127.0.0.1:${relayPort}/`, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": "x",
        "sec-websocket-version": "13",
      },
    });
    expect(answer.status).toBe(504);
    expect(await answer.text()).toBe("proxy.no-answer");
  } finally {
    relay.close();
    silent.close();
  }
});
