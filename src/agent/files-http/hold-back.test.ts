import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createConnection, createServer as createNetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdBack } from "./hold-back.ts";

const MIB = 2 ** 20;

test("what nobody takes stays with its sender, and all of it comes once somebody does", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hold-back-"));
  const path = join(dir, "s");
  const go = Promise.withResolvers<void>();
  const http = createServer();
  http.on("request", async (req: IncomingMessage, res) => {
    holdBack(req);
    await go.promise;
    let got = 0;
    for await (const chunk of req) got += (chunk as Buffer).length;
    res.end(String(got));
  });
  const server = createNetServer((socket: Socket) => {
    http.emit("connection", socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = createConnection(path);
  const piece = Buffer.alloc(256 * 1024);
  const total = 64 * MIB;
  let sent = 0;
  const send = () => {
    while (sent < total) {
      sent += piece.length;
      if (client.write(piece)) continue;
      client.once("drain", send);
      return;
    }
  };
  try {
    for (let round = 0; round < 2; round++) {
      const answer = new Promise<string>((resolve) => client.once("data", (data) => resolve(String(data))));
      client.write(`PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
      sent = 0;
      send();
      if (round === 0) {
        // As much as it can get rid of: until nothing more goes for a while.
        for (let before = -1; before !== sent; ) {
          before = sent;
          await Bun.sleep(200);
        }
        expect(sent).toBeLessThan(8 * MIB);
        go.resolve();
      }
      expect(await answer).toEndWith(`\r\n\r\n${total}`);
    }
  } finally {
    client.destroy();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
