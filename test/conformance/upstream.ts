/** An upstream that shows what reached it, byte by byte, and answers what a case asks for. Raw sockets: nothing is tidied. */

import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";

export interface Upstream {
  port: number;
  /** Heads of the requests that came, raw. */
  heads: string[];
  /** Sockets that are open now. */
  open(): number;
  close(): void;
}

const accept = (key: string) =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

type Answer = (socket: Socket, head: string, body: string) => void;
const text = (status: string, body: string, headers = "") =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

export const ANSWERS: Record<string, Answer> = {
  "/hello": (s) => s.write(text("200 OK", "hello")),
  "/reason": (s) => s.write(text("299 My Own Words", "x")),
  "/cookies": (s) => s.write(text("200 OK", "x", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n")),
  "/hop": (s) =>
    s.write(
      text(
        "200 OK",
        "x",
        "Connection: X-Private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\nX-Public: 2\r\n",
      ),
    ),
  "/204": (s) => s.write("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
  "/304": (s) => s.write('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
  "/redirect": (s) => s.write(text("302 Found", "", "Location: /elsewhere\r\n")),
  "/gzip": (s) =>
    s.write(
      Buffer.concat([
        Buffer.from("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"),
        Buffer.from([31, 139, 8, 0]),
      ]),
    ),
  "/chunked": (s) => s.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
  "/trailers": (s) =>
    s.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n",
    ),
  "/abort": (s) => {
    s.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    setTimeout(() => s.destroy(), 50);
  },
  "/sse": (s) => {
    s.write(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
    );
    setTimeout(() => s.write("9\r\ndata: 2\n\n\r\n0\r\n\r\n"), 300);
  },
  "/413": (s) => s.write(text("413 Payload Too Large", "no")),
  "/large-header": (s) => s.write(text("200 OK", "x", `X-Large: ${"a".repeat(7000)}\r\n`)),
  "/slow-drip": (s) => void s,
};

export async function startUpstream(): Promise<Upstream> {
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let buffer = Buffer.alloc(0);
    let upgraded = false;
    socket.on("data", (chunk: Buffer) => {
      if (upgraded) {
        socket.write(chunk);
        return;
      }
      buffer = Buffer.concat([buffer, chunk]);
      const at = buffer.indexOf("\r\n\r\n");
      if (at < 0) return;
      const head = buffer.subarray(0, at).toString("latin1");
      const path = head.split(" ")[1]?.split("?")[0] ?? "";
      const key = /^sec-websocket-key: (.+)$/im.exec(head)?.[1];
      if (key && path.startsWith("/ws")) {
        heads.push(head);
        if (path === "/ws-refused") {
          socket.end(text("403 Forbidden", "not you", "X-Why: policy\r\n"));
          return;
        }
        upgraded = true;
        const protocol = /^sec-websocket-protocol: ([^,\r\n]+)/im.exec(head)?.[1];
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}Set-Cookie: ws=1\r\n\r\n`,
        );
        return;
      }
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const chunked = /^transfer-encoding: chunked/im.test(head);
      const rest = buffer.subarray(at + 4);
      const complete = chunked
        ? rest.includes("0\r\n") && rest.subarray(-4).toString() === "\r\n\r\n"
        : rest.length >= length;
      if (!complete && path !== "/413") return;
      const body = rest.toString("latin1");
      buffer = Buffer.alloc(0);
      heads.push(head);
      if (path === "/echo") socket.write(text("200 OK", `${head}\r\n\r\n${body}`));
      else (ANSWERS[path] ?? ((s: Socket) => s.write(text("404 Not Found", "none"))))(socket, head, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heads,
    open: () => sockets.size,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
