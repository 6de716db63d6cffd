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
  /** Bytes written to the sockets that are open now, as far as the kernel took them. */
  sent(): number;
  close(): void;
}

const accept = (key: string) =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

/** Far more than the buffers on any way hold. */
export const FLOOD_BYTES = 256 * 1024 * 1024;

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
  "/head": (s) => s.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
  "/bare-lf": (s) => s.write(text("200 OK", "x", "X-A: 1\nSet-Cookie: split=1\r\n")),
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
  "/103": (s) => {
    s.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
    setTimeout(() => s.write(text("200 OK", "after the hints")), 20);
  },
  "/close-delimited": (s) => s.end("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"),
  "/abort-chunked": (s) => {
    s.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n");
    setTimeout(() => s.destroy(), 50);
  },
  "/latin1": (s) =>
    s.write(Buffer.from("HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: 1\r\n\r\nx", "latin1")),
  "/close": (s) => s.end(text("200 OK", "bye", "Connection: close\r\n")),
  /** Answers, and ends the connection as soon as another request comes on it: the race of every kept connection. */
  "/then-gone": (s) => {
    s.write(text("200 OK", "last words"));
    s.removeAllListeners("data");
    s.on("data", () => s.destroy());
  },
  /** Takes the request, and breaks off without a word. */
  "/swallow": (s) => s.destroy(),
  /** As many bytes as can be got rid of. */
  "/flood": (s) => {
    const piece = Buffer.alloc(64 * 1024, "f");
    s.write(`HTTP/1.1 200 OK\r\nContent-Length: ${FLOOD_BYTES}\r\n\r\n`);
    let left = FLOOD_BYTES;
    const more = () => {
      while (left > 0 && !s.destroyed) {
        left -= piece.length;
        if (!s.write(piece)) {
          s.once("drain", more);
          return;
        }
      }
    };
    more();
  },
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
    let continued = false;
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
        const first = buffer.subarray(at + 4);
        buffer = Buffer.alloc(0);
        if (path === "/ws-leaves") setTimeout(() => socket.end(), 50);
        if (path === "/ws-refused") {
          socket.end(text("403 Forbidden", "not you", "X-Why: policy\r\n"));
          return;
        }
        upgraded = true;
        if (path === "/ws-deflate") {
          const extensions = /^sec-websocket-extensions: (.+)$/im.exec(head)?.[1] ?? "none";
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\nSec-WebSocket-Extensions: ${extensions}\r\n\r\n`,
          );
          return;
        }
        const protocol = /^sec-websocket-protocol: ([^,\r\n]+)/im.exec(head)?.[1];
        const early = path === "/ws-early" ? "\x81\x05early" : "";
        socket.write(
          Buffer.from(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}Set-Cookie: ws=1\r\n\r\n${early}`,
            "latin1",
          ),
        );
        if (first.length > 0) socket.write(first);
        return;
      }
      if (path === "/duplex") {
        // Each piece goes back as it comes, in chunks of the answer's own.
        heads.push(head);
        upgraded = true;
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const first = buffer.subarray(at + 4);
        if (first.length > 0) socket.write(first);
        return;
      }
      if (/^expect: 100-continue/im.test(head) && path !== "/413" && !continued) {
        continued = true;
        socket.write("HTTP/1.1 100 Continue\r\n\r\n");
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
      continued = false;
      heads.push(head);
      if (path.startsWith("/echo")) socket.write(text("200 OK", `${head}\r\n\r\n${body}`));
      else (ANSWERS[path] ?? ((s: Socket) => s.write(text("404 Not Found", "none"))))(socket, head, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heads,
    open: () => sockets.size,
    sent: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
