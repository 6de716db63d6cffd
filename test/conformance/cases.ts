/**
 * What any engine that carries the proxy must do, on raw sockets: one list of cases for every way to an upstream, so
 * that a relay cannot be right alone and wrong between a hub, a tunnel and an agent.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, type Mount, raw } from "./mounts.ts";
import { FLOOD_BYTES } from "./upstream.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const bodyOf = (answer: string) => answer.slice(answer.indexOf("\r\n\r\n") + 4);
/** A flood that nobody reads may fill buffers on the way, not memory. */
const BUFFERED_AT_MOST = FLOOD_BYTES / 4;

async function eventually(holds: () => boolean, ms = 3000): Promise<void> {
  const end = Date.now() + ms;
  while (!holds() && Date.now() < end) await Bun.sleep(10);
}

/** Declares every case for the mount that `open` makes. */
export function conformance(open: () => Promise<Mount>): void {
  let mount!: Mount;
  beforeAll(async () => {
    mount = await open();
  }, 30_000);
  afterAll(async () => await mount?.close(), 30_000);

  /** One request as it stands; with `Connection: close` unless `headers` says otherwise. */
  const send = (
    request: { method?: string; path: string; headers?: string; body?: string; keep?: boolean },
    until?: RegExp,
    ms = 3000,
  ) => raw(mount, ask(mount, request), ms, until);
  const get = (path: string, headers = "", until?: RegExp) => send({ path, headers }, until);
  const handshake = (path: string, extra = "") =>
    ask(mount, {
      path,
      keep: true,
      headers: `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${mount.origin ? `Origin: ${mount.origin}\r\n` : ""}${extra}`,
    });
  const lastHead = () => mount.upstream.heads.at(-1) ?? "";

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
    await send({
      path: "/echo",
      keep: true,
      headers:
        "Connection: X-Secret, close\r\nX-Secret: 1\r\nProxy-Authorization: x\r\nKeep-Alive: 9\r\nTE: trailers\r\nX-Kept: 1\r\n",
    });
    expect(lastHead()).toContain("X-Kept: 1");
    for (const name of ["x-secret: 1", "proxy-authorization", "keep-alive: 9"])
      expect(lastHead().toLowerCase()).not.toContain(name);
  });
  test("Host is kept and nothing is injected", async () => {
    await get("/echo", "X-A: b\r\n");
    expect(lastHead()).toContain(`Host: ${mount.host}`);
    const injected = ["user-agent", "accept:", "accept-encoding", "via", "cocalc", "cookie"];
    if (mount.bare) injected.push("x-forwarded");
    for (const name of injected) expect(lastHead().toLowerCase()).not.toContain(name);
  });
  test("raw path bytes", async () => {
    await get("/echo/a%2Fb//d;x=%zz?x=%20+|y[]=%27&a%2Fb'");
    expect(lastHead()).toContain("/echo/a%2Fb//d;x=%zz?x=%20+|y[]=%27&a%2Fb' HTTP/1.1");
  });
  test("methods go as they are", async () => {
    for (const method of ["DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "PUT"]) {
      await send({ method, path: "/echo" });
      expect(lastHead()).toStartWith(`${method} `);
    }
  });
  test("headers beyond ASCII go as they are", async () => {
    expect(await get("/latin1")).toContain("X-Name: caf\xe9");
    await get("/echo", "X-Name: caf\xe9\r\n");
    expect(lastHead()).toContain("X-Name: caf\xe9");
  });
  test("HEAD has a length and no body", async () => {
    const answer = await send({ method: "HEAD", path: "/head" });
    expect(answer).toMatch(/content-length: 5/i);
    expect(bodyOf(answer)).toBe("");
  });
  for (const status of ["204", "304"]) {
    test(`${status} has no body, and the connection goes on`, async () => {
      const answer = await raw(
        mount,
        ask(mount, { path: `/${status}`, keep: true }) + ask(mount, { path: "/hello" }),
        3000,
      );
      expect(answer).toStartWith(`HTTP/1.1 ${status}`);
      expect(bodyOf(answer)).toStartWith("HTTP/1.1 200");
      expect(answer).toEndWith("hello");
    });
  }
  test("redirects are not followed", async () => expect(await get("/redirect")).toContain("/elsewhere"));
  test("compressed bodies are untouched", async () => {
    const answer = await get("/gzip");
    expect(answer.toLowerCase()).toContain("content-encoding: gzip");
    expect(answer.slice(-4)).toBe(Buffer.from([31, 139, 8, 0]).toString("latin1"));
  });
  test("chunked bodies", async () => expect(await get("/chunked")).toContain("hello"));
  test("a body that ends with the connection", async () =>
    expect(await get("/close-delimited")).toContain("until the end"));
  test("trailers of the answer", async () => {
    const answer = await send({ path: "/trailers", keep: true, headers: "TE: trailers\r\n" }, /X-Sum: 42/i);
    expect(answer).toMatch(/0\r\nX-Sum: 42/i);
  });
  test("early hints come before the answer", async () => {
    const answer = await get("/103", "", /after the hints/);
    expect(answer).toMatch(/^HTTP\/1\.1 103.*\r\nlink: <\/a.css>; rel=preload\r\n\r\nHTTP\/1\.1 200/i);
    expect(answer).toContain("after the hints");
  });

  test("a request body with a length", async () => {
    const answer = await send({ method: "POST", path: "/echo", body: "body" });
    expect(answer).toContain("\r\n\r\nbody");
    expect(lastHead().toLowerCase()).not.toContain("transfer-encoding");
  });
  test("a chunked request body", async () => {
    const headers = "Transfer-Encoding: chunked\r\n";
    const answer = await raw(
      mount,
      `${ask(mount, { method: "POST", path: "/echo", headers })}4\r\nbody\r\n0\r\n\r\n`,
      3000,
    );
    expect(answer).toContain("4\r\nbody\r\n0\r\n");
    expect(lastHead().toLowerCase()).toContain("transfer-encoding: chunked");
  });
  test("trailers of the request", async () => {
    const answer = await raw(
      mount,
      `${ask(mount, { method: "POST", path: "/echo", headers: "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n" })}4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n`,
      3000,
    );
    expect(answer).toMatch(/body\r\n0\r\nX-Sum: 42/i);
  });
  test("a body on GET", async () =>
    expect(await send({ path: "/echo", body: "body" })).toContain("\r\n\r\nbody"));
  test("an empty POST says so", async () => {
    await send({ method: "POST", path: "/echo", headers: "Content-Length: 0\r\n" });
    expect(lastHead().toLowerCase()).toContain("content-length: 0");
  });
  test("a large body arrives whole", async () => {
    const body = "0123456789abcdef".repeat(65_536);
    const answer = await send({ method: "PUT", path: "/echo", body }, undefined, 10_000);
    expect(answer.endsWith(body)).toBe(true);
  });
  test("a body flows while the answer does", async () => {
    const socket = mount.connect();
    let got = "";
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
    });
    socket.write(
      ask(mount, {
        method: "POST",
        path: "/duplex",
        keep: true,
        headers: "Transfer-Encoding: chunked\r\n",
      }),
    );
    socket.write("4\r\nping\r\n");
    await eventually(() => got.includes("ping"));
    expect(got).toContain("ping");
    socket.write("4\r\npong\r\n");
    await eventually(() => got.includes("pong"));
    expect(got).toContain("pong");
    socket.destroy();
  });
  test("Expect: the upstream's 100 comes, then the body goes", async () => {
    const socket = mount.connect();
    let got = "";
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
    });
    socket.write(
      ask(mount, {
        method: "POST",
        path: "/echo",
        headers: "Expect: 100-continue\r\nContent-Length: 4\r\n",
      }),
    );
    await eventually(() => got.includes("100 Continue"));
    expect(got).toStartWith("HTTP/1.1 100");
    socket.write("late");
    await eventually(() => got.endsWith("late"));
    expect(got).toEndWith("late");
    socket.destroy();
  });
  test("Expect: an upstream that refuses is heard before the body is sent", async () => {
    const answer = await send(
      { method: "POST", path: "/413", headers: "Expect: 100-continue\r\nContent-Length: 400\r\n" },
      /413/,
    );
    expect(answer).toStartWith("HTTP/1.1 413");
  });

  test("server-sent events come as they are sent", async () => {
    const first = await send({ path: "/sse", keep: true }, /data: 1/);
    expect(first).toContain("data: 1");
    expect(first).not.toContain("data: 2");
  });
  test("large headers, both ways", async () => {
    expect((await get("/large-header")).length).toBeGreaterThan(7000);
    await get("/echo", `X-Large: ${"a".repeat(7000)}\r\n`);
    expect(lastHead().length).toBeGreaterThan(7000);
  });
  test("many requests on one connection", async () => {
    const many = ask(mount, { path: "/hello", keep: true }).repeat(20) + ask(mount, { path: "/hello" });
    const answer = await raw(mount, many, 5000);
    expect(answer.match(/HTTP\/1\.1 200/g)?.length).toBe(21);
  });
  test("an upstream that closes after its answer does no harm", async () => {
    for (let times = 0; times < 5; times++) expect(await get("/close")).toEndWith("bye");
  });

  test("an upstream that breaks off mid-body ends the answer at once", async () => {
    const began = Date.now();
    const answer = await send({ path: "/abort", keep: true }, undefined, 4000);
    expect(Date.now() - began).toBeLessThan(3500);
    expect(answer).toContain("only this");
  });
  test("an upstream that breaks off mid-chunks does not look like a whole answer", async () => {
    const began = Date.now();
    const answer = await send({ path: "/abort-chunked", keep: true }, undefined, 4000);
    expect(Date.now() - began).toBeLessThan(3500);
    expect(answer).not.toEndWith("0\r\n\r\n");
  });
  test("a client that goes away while it waits closes the way to the upstream", async () => {
    const before = mount.upstream.heads.length;
    const socket = mount.connect();
    socket.write(ask(mount, { path: "/slow-drip", keep: true }));
    await eventually(() => mount.upstream.heads.length > before);
    const open = mount.upstream.open();
    socket.destroy();
    await eventually(() => mount.upstream.open() < open);
    expect(mount.upstream.open()).toBeLessThan(open);
  });
  test("a client that reads nothing fills no memory, and its end stops the flood", async () => {
    const socket = mount.connect();
    await new Promise<void>((resolve) => {
      socket.once("data", () => {
        socket.pause();
        resolve();
      });
      socket.write(ask(mount, { path: "/flood", keep: true }));
    });
    await Bun.sleep(500);
    expect(mount.upstream.sent()).toBeLessThan(BUFFERED_AT_MOST);
    const open = mount.upstream.open();
    socket.destroy();
    await eventually(() => mount.upstream.open() < open);
    expect(mount.upstream.open()).toBeLessThan(open);
  });
  test("a kept connection that the upstream closed just now costs a GET nothing", async () => {
    for (let times = 0; times < 3; times++) {
      expect(await get("/then-gone")).toEndWith("last words");
      expect(await get("/hello")).toEndWith("hello");
    }
  });
  test("a POST that broke off is not sent twice", async () => {
    const before = mount.upstream.heads.length;
    const answer = await send({ method: "POST", path: "/swallow", headers: "Content-Length: 0\r\n" });
    expect(answer).toMatch(/^HTTP\/1\.1 50[24]/);
    expect(mount.upstream.heads.length).toBe(before + 1);
  });

  const smuggling: [string, string, string][] = [
    ["a length told twice, differently", "Content-Length: 4\r\nContent-Length: 5\r\n", "body!"],
    [
      "Content-Length beside Transfer-Encoding",
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
      "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    ],
    ["Transfer-Encoding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"],
    ["an encoding that only looks like chunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"],
    ["a length with a sign", "Content-Length: +4\r\n", "body"],
    ["a length that is none", "Content-Length: 4x\r\n", "body"],
    ["a space before the colon", "Content-Length : 4\r\n", "body"],
    ["a folded header", "X-A: 1\r\n Transfer-Encoding: chunked\r\n", ""],
    ["a bare line feed in a header", "X-A: 1\nX-Smuggled: 1\r\n", ""],
    ["a zero byte in a header", "X-A: a\0b\r\n", ""],
  ];
  for (const [name, headers, tail] of smuggling) {
    test(`${name} is refused, and reaches nobody`, async () => {
      const before = mount.upstream.heads.length;
      const answer = await raw(
        mount,
        ask(mount, { method: "POST", path: "/echo", keep: true, headers }) + tail,
        1000,
        /\r\n\r\n/,
      );
      const reached = mount.upstream.heads.slice(before).join("\n");
      // A reader may also take two lines for two headers of its own, as long as everybody behind it reads the same.
      if (!name.includes("bare line feed")) expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d|$)/);
      expect(reached).not.toContain("GET /smuggled");
      expect(reached).not.toMatch(/[^\r]\n/);
    });
  }
  test("a bare line feed in an answer makes no header of its own", async () => {
    const answer = await get("/bare-lf");
    expect(answer.split("\r\n")).not.toContain("Set-Cookie: split=1");
  });

  test("an upgrade, its subprotocol, and bytes both ways", async () => {
    const answer = await raw(
      mount,
      `${handshake("/ws", "Sec-WebSocket-Protocol: chat, other\r\n")}\x81\x02hi`,
      2000,
      /hi$/,
    );
    expect(answer).toStartWith("HTTP/1.1 101");
    expect(answer).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    expect(answer).toMatch(/sec-websocket-protocol: chat/i);
    expect(answer).toMatch(/\r\nconnection: upgrade\r\n/i);
    expect(answer).toEndWith("\x81\x02hi");
  });
  test("what an upstream sends right behind its 101 is not lost", async () =>
    expect(await raw(mount, handshake("/ws-early"), 2000, /early$/)).toEndWith("\x81\x05early"));
  test("compression of a WebSocket is theirs to agree on", async () => {
    const offer = "permessage-deflate; client_max_window_bits";
    const answer = await raw(
      mount,
      handshake("/ws-deflate", `Sec-WebSocket-Extensions: ${offer}\r\n`),
      2000,
      /\r\n\r\n/,
    );
    expect(answer).toContain(offer);
  });
  test("a refused upgrade keeps its status, headers and body", async () => {
    for (let times = 0; times < 10; times++) {
      const answer = await raw(mount, handshake("/ws-refused"), 2000);
      expect(answer).toStartWith("HTTP/1.1 403");
      expect(answer).toMatch(/x-why: policy/i);
      expect(answer).toEndWith("not you");
    }
  });
  test("an answer in chunks in place of an upgrade comes whole", async () =>
    expect(await raw(mount, handshake("/chunked"), 2000)).toContain("hello"));
  test("an upgrade to anything but WebSocket is refused, and reaches nobody", async () => {
    const before = mount.upstream.heads.length;
    const answer = await raw(
      mount,
      ask(mount, {
        path: "/hello",
        keep: true,
        headers:
          "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
      }),
      1000,
      /\r\n\r\n/,
    );
    expect(answer).not.toStartWith("HTTP/1.1 101");
    expect(mount.upstream.heads.slice(before).join()).not.toMatch(/h2c|http2-settings/i);
  });
  test("a WebSocket carries much, both ways, and nothing is lost", async () => {
    const size = 4 * 1024 * 1024;
    const socket = mount.connect();
    let got = 0;
    let upgraded = false;
    socket.on("data", (chunk: Buffer) => {
      got += upgraded ? chunk.length : 0;
      upgraded ||= chunk.includes("\r\n\r\n");
    });
    socket.write(handshake("/ws"));
    await eventually(() => upgraded);
    socket.write(Buffer.alloc(size, "m"));
    await eventually(() => got >= size, 10_000);
    expect(got).toBe(size);
    socket.destroy();
  });
  test("a client that leaves a socket closes the upstream's", async () => {
    const before = mount.upstream.heads.length;
    const socket = mount.connect();
    socket.resume();
    socket.write(handshake("/ws"));
    await eventually(() => mount.upstream.heads.length > before);
    await Bun.sleep(50);
    const open = mount.upstream.open();
    socket.destroy();
    await eventually(() => mount.upstream.open() < open);
    expect(mount.upstream.open()).toBeLessThan(open);
  });
  test("an upstream that leaves a socket closes the client's", async () => {
    const socket = mount.connect();
    let closed = false;
    let upgraded = false;
    socket.on("data", () => {
      upgraded = true;
    });
    socket.on("close", () => {
      closed = true;
    });
    socket.write(handshake("/ws-leaves"));
    await eventually(() => upgraded);
    await eventually(() => closed);
    expect(closed).toBe(true);
  });
}
