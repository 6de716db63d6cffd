/** What any engine that carries the proxy must do, on raw sockets: the relay alone, and two in a row as hub and host are. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { type Mount, raw, relayTo } from "./mounts.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const handshake = (path: string, extra = "") =>
  `GET ${path} HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${extra}\r\n`;

for (const hops of [1, 2]) {
  describe(`${hops === 1 ? "one relay" : "two relays in a row"}`, () => {
    let upstream: Upstream;
    const mounts: Mount[] = [];
    let port = 0;

    beforeAll(async () => {
      upstream = await startUpstream();
      port = upstream.port;
      for (let hop = 0; hop < hops; hop++) {
        const mount = await relayTo(port);
        mounts.push(mount);
        port = mount.port;
      }
    });
    afterAll(() => {
      for (const mount of mounts) mount.close();
      upstream.close();
    });

    const get = (path: string, headers = "", until: RegExp = /\r\n\r\n[\s\S]+/) =>
      raw(
        port,
        `GET ${path} HTTP/1.1\r\nHost: app.example\r\n${headers}Connection: close\r\n\r\n`,
        3000,
        until,
      );

    test("a plain answer", async () => expect(await get("/hello")).toEndWith("hello"));
    test("the reason phrase is kept", async () =>
      expect(await get("/reason")).toStartWith("HTTP/1.1 299 My Own Words"));
    test("several Set-Cookie stay several", async () => {
      const answer = await get("/cookies");
      expect(answer).toContain("a=1; Path=/");
      expect(answer.match(/set-cookie:/gi)?.length).toBe(2);
    });
    test("hop-by-hop headers of the answer stay behind, also those Connection names", async () => {
      const answer = await get("/hop");
      expect(answer.toLowerCase()).not.toContain("x-private");
      expect(answer).toContain("X-Public: 2");
    });
    test("hop-by-hop headers of the request stay behind, also those Connection names", async () => {
      const answer = await raw(
        port,
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: X-Secret\r\nX-Secret: 1\r\nProxy-Authorization: x\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n",
        3000,
        /X-Kept/,
      );
      expect(answer.toLowerCase()).not.toContain("x-secret: 1");
      expect(answer.toLowerCase()).not.toContain("proxy-authorization");
      expect(answer).toContain("X-Kept: 1");
    });
    test("Host is kept and nothing is injected", async () => {
      const answer = await get("/echo", "X-A: b\r\n", /X-A: b/);
      expect(answer).toContain("app.example");
      for (const name of ["user-agent", "accept:", "accept-encoding", "x-forwarded", "via"]) {
        expect(answer.toLowerCase()).not.toContain(name);
      }
    });
    test("raw path bytes", async () => {
      const answer = await get("/echo?x=%20+|y[]=%27&a%2Fb", "", /y\[\]/);
      expect(answer).toContain("GET /echo?x=%20+|y[]=%27&a%2Fb HTTP/1.1");
    });
    test("HEAD has a length and no body", async () => {
      const answer = await raw(port, "HEAD /304 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 2000);
      expect(answer).toStartWith("HTTP/1.1 304");
    });
    test("204 and 304 have no body, and the connection goes on", async () => {
      const answer = await raw(port, "GET /204 HTTP/1.1\r\nHost: a\r\n\r\n", 1000, /\r\n\r\n/);
      expect(answer).toStartWith("HTTP/1.1 204");
      expect(answer.split("\r\n\r\n")[1]).toBe("");
    });
    test("redirects are not followed", async () =>
      expect(await get("/redirect", "", /302/)).toContain("/elsewhere"));
    test("compressed bodies are untouched", async () => {
      const answer = await get("/gzip");
      expect(answer.toLowerCase()).toContain("content-encoding: gzip");
      expect(answer.slice(-4)).toBe(Buffer.from([31, 139, 8, 0]).toString("latin1"));
    });
    test("chunked bodies", async () => expect(await get("/chunked", "", /hello/)).toContain("hello"));
    test("trailers", async () => {
      const answer = await raw(
        port,
        "GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
        2000,
        /X-Sum: 42/i,
      );
      expect(answer).toMatch(/X-Sum: 42/i);
    });
    test("a request body with a length", async () => {
      const answer = await raw(
        port,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
        2000,
        /body/,
      );
      expect(answer).toContain("\r\n\r\nbody");
    });
    test("a chunked request body", async () => {
      const answer = await raw(
        port,
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        2000,
        /body/,
      );
      expect(answer).toContain("body");
      expect(answer.toLowerCase()).toContain("transfer-encoding: chunked");
    });
    test("a body on GET", async () => {
      const answer = await raw(
        port,
        "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
        2000,
        /body/,
      );
      expect(answer).toContain("body");
    });
    test("an upstream that breaks off mid-body ends the answer at once", async () => {
      const began = Date.now();
      const answer = await raw(port, "GET /abort HTTP/1.1\r\nHost: a\r\n\r\n", 4000);
      expect(Date.now() - began).toBeLessThan(3500);
      expect(answer).toContain("only this");
    });
    test("a client that goes away closes the way to the upstream", async () => {
      const before = upstream.heads.length;
      const socket = connect(port, "127.0.0.1");
      socket.write("GET /slow-drip HTTP/1.1\r\nHost: a\r\n\r\n");
      while (upstream.heads.length === before) await Bun.sleep(10);
      const open = upstream.open();
      socket.destroy();
      const end = Date.now() + 3000;
      while (upstream.open() >= open && Date.now() < end) await Bun.sleep(10);
      expect(upstream.open()).toBeLessThan(open);
    });
    test("server-sent events come as they are sent", async () => {
      const first = await raw(port, "GET /sse HTTP/1.1\r\nHost: a\r\n\r\n", 2000, /data: 1/);
      expect(first).not.toContain("data: 2");
    });
    test("large headers", async () => expect((await get("/large-header")).length).toBeGreaterThan(7000));
    test("a length told twice, differently, is refused", async () => {
      const answer = await raw(
        port,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
        1500,
      );
      expect(answer).toStartWith("HTTP/1.1 400");
    });
    test("Content-Length beside Transfer-Encoding is refused", async () => {
      const before = upstream.heads.length;
      const answer = await raw(
        port,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        1500,
      );
      expect(answer).toStartWith("HTTP/1.1 400");
      expect(upstream.heads.slice(before).join()).not.toContain("smuggled");
    });
    test("nothing listens: an answer, not a hang", async () => {
      const dead = await relayTo(1);
      const answer = await raw(dead.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 4000);
      dead.close();
      expect(answer).toStartWith("HTTP/1.1 502");
    });

    test("an upgrade, its subprotocol, and bytes both ways", async () => {
      const answer = await raw(
        port,
        `${handshake("/ws", "Sec-WebSocket-Protocol: chat, other\r\n")}\x81\x02hi`,
        2000,
        /\x81\x02hi$/,
      );
      expect(answer).toStartWith("HTTP/1.1 101");
      expect(answer).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
      expect(answer).toMatch(/sec-websocket-protocol: chat/i);
      expect(answer).toEndWith("\x81\x02hi");
    });
    test("a refused upgrade keeps its status, headers and body", async () => {
      const answer = await raw(port, handshake("/ws-refused"), 2000, /not you/);
      expect(answer).toStartWith("HTTP/1.1 403");
      expect(answer).toMatch(/x-why: policy/i);
      expect(answer).toContain("not you");
    });
    test("an upgrade to nothing is answered", async () => {
      const dead = await relayTo(1);
      const answer = await raw(dead.port, handshake("/ws"), 4000);
      dead.close();
      expect(answer).toStartWith("HTTP/1.1 502");
    });
    test("a client that leaves a socket closes the upstream's", async () => {
      const open = upstream.open();
      await raw(port, handshake("/ws"), 2000, /101/);
      const end = Date.now() + 3000;
      while (upstream.open() > open && Date.now() < end) await Bun.sleep(10);
      expect(upstream.open()).toBeLessThanOrEqual(open);
    });
  });
}
