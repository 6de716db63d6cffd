/** The apps gateway and the host behind it against what was done to others: each test names the hole or the CVE. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { signGrant } from "../../src/contract/grants.ts";
import { CodedError } from "../../src/core/errors.ts";
import { ADA, type ChainLab, openChain } from "../fixtures/chain-lab.ts";

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}
/** node:http rather than fetch: Host, Origin and raw paths go as they are written. */
function call(
  port: number,
  path: string,
  headers: Record<string, string | string[]> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (res) => {
      let body = "";
      res.setEncoding("utf8");
      res.on("data", (chunk: string) => {
        body += chunk;
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
    });
    req.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: res.headers, body: "" });
    });
    req.on("error", reject);
    req.end();
  });
}

const NAVIGATE = { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "none" };
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

describe("the apps gateway", () => {
  let lab: ChainLab;
  /** Headers of the last request that reached the app. */
  let seen: IncomingHttpHeaders | undefined;
  let port = 0;
  let apps = 0;
  let host = "";
  let origin = "";
  let cookie = "";
  const other = crypto.randomUUID();
  const app = createServer((req, res) => {
    seen = req.headers;
    if (req.url === "/forever") res.write("begun");
    else
      res.setHeader("set-cookie", ["__Host-cocalc.session_token=evil; Path=/", "a=1; Path=/"]).end("the app");
  });
  app.on("upgrade", (req, socket) => {
    seen = req.headers;
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  });
  const path = (rest = "/", id = lab.project_id, at: number | string = port) => `/${id}/proxy/${at}${rest}`;
  const get = (rest = "/", headers: Record<string, string | string[]> = {}) =>
    call(apps, path(rest), { host, cookie, ...headers });

  beforeAll(async () => {
    lab = await openChain();
    await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
    port = (app.address() as AddressInfo).port;
    apps = lab.ports.loopbackApps;
    host = `${lab.project_id}.localhost:${apps}`;
    origin = `http://${host}`;
    cookie = lab.cookie(false).replace("Cookie: ", "").trim();
  });
  afterAll(async () => {
    app.closeAllConnections();
    app.close();
    await lab.close();
  });
  beforeEach(() => {
    seen = undefined;
    lab.setCaller(ADA);
    lab.setRoute(async () => ({ host_id: lab.host_id, port: lab.ports.hostHttp }));
  });

  test("the app answers, sees no cookie of ours, and cannot set one", async () => {
    const answer = await get("/", { cookie: `x=1; ${cookie}; __Secure-COCALC_app_1=2` });
    expect(answer.body).toBe("the app");
    expect(seen?.cookie).toBe("x=1");
    expect(answer.headers["set-cookie"]).toEqual([`a=1; Path=/${lab.project_id}/proxy/${port}/`]);
  });
  test("what a client says of forwarding, and a forged grant, go no further (Coder GHSA-5g4w)", async () => {
    const answer = await get("/", {
      "x-forwarded-host": "evil.example",
      "x-forwarded-for": "1.2.3.4",
      "cocalc-grant": "forged",
    });
    expect(answer.status).toBe(200);
    expect(seen?.["x-forwarded-host"]).toBe(host);
    expect(seen?.["x-forwarded-for"]).not.toContain("1.2.3.4");
    expect(seen?.["x-forwarded-prefix"]).toBe(path(""));
    expect(seen?.["cocalc-grant"]).toBeUndefined();
  });

  describe("who may not", () => {
    test("nobody: a person is led to the UI, a script is told", async () => {
      const person = await call(apps, path(), { host, ...NAVIGATE });
      expect(person.status).toBe(303);
      expect(person.headers.location).toBe(`http://localhost:${lab.ports.loopbackUi}${path()}`);
      expect((await call(apps, path(), { host })).status).toBe(401);
      expect(seen).toBeUndefined();
    });
    test("an upgrade without a cookie (jupyter-server-proxy CVE-2024-28179)", async () => {
      expect((await call(apps, path(), { host, origin, ...UPGRADE })).status).toBe(401);
      expect(seen).toBeUndefined();
    });
    test("an upgrade from another origin, or from none (code-server 4.10.1)", async () => {
      const origins: Record<string, string>[] = [
        { origin: `http://localhost:${lab.ports.loopbackUi}` },
        { origin: "null" },
        {},
      ];
      for (const foreign of origins)
        expect((await call(apps, path(), { host, cookie, ...foreign, ...UPGRADE })).status).toBe(403);
      expect((await call(apps, path(), { host, cookie, origin, ...UPGRADE })).status).toBe(101);
    });
    test("a request from another site or another project's page (JupyterHub CVE-2026-40864)", async () => {
      for (const site of ["cross-site", "same-site"])
        expect((await get("/", { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" })).status).toBe(403);
      expect((await get("/", { origin: `http://${other}.localhost:${apps}` })).status).toBe(403);
      expect(seen).toBeUndefined();
    });
    test("another name for our address (DNS rebinding), and another project's name", async () => {
      for (const name of [`evil.example:${apps}`, `${other}.localhost:${apps}`, `127.0.0.1:${apps}`])
        expect((await call(apps, path(), { host: name, cookie })).status).toBe(421);
      expect(seen).toBeUndefined();
    });
    test("a cookie of another project, a forged one, and one tossed in front of the right one", async () => {
      const forged = cookie.replace(/\..*$/, ".AAAA");
      const foreign =
        lab.sessions.setCookie({ sub: "ada", project_id: other, at: { kind: "own" } }, false).split(";")[0] ??
        "";
      for (const bad of [forged, foreign, cookie.split("=")[0] ?? ""])
        expect((await call(apps, path(), { host, cookie: bad })).status).toBe(401);
      expect((await call(apps, path(), { host, cookie: `${forged}; ${cookie}` })).status).toBe(200);
    });
    test("a project that one may not know of is not there", async () => {
      lab.setRoute(async () => {
        throw new CodedError({ code: "project.not-found", title: "There is no such project", status: 404 });
      });
      expect((await get()).status).toBe(404);
      expect((await call(apps, path(), { host, cookie, origin, ...UPGRADE })).status).toBe(404);
    });
  });

  test("ports that are none, and paths that lead elsewhere, reach nobody (code-server: proxy to any host)", async () => {
    const bad = [
      path("/", lab.project_id, "0"),
      path("/", lab.project_id, "65536"),
      path("/", lab.project_id, "127.0.0.1:22"),
      path("/", lab.project_id, "8000@evil.example"),
      path("/", lab.project_id, "%38%30"),
      path("/../../../api/me"),
      path("/..%2f..%2fapi/me"),
      path("/%2e%2e/x"),
      path("/", "not-a-project"),
      `//evil.example${path()}`,
      `http://evil.example${path()}`,
    ];
    for (const one of bad) {
      expect((await call(apps, one, { host, cookie })).status).toBe(404);
      expect((await call(apps, one, { host, cookie, origin, ...UPGRADE })).status).toBe(404);
    }
    expect(seen).toBeUndefined();
  });

  describe("from the UI's origin", () => {
    const ui = (headers: Record<string, string> = {}, method = "GET") =>
      call(
        lab.ports.loopbackUi,
        path("/a?b=1"),
        { host: `localhost:${lab.ports.loopbackUi}`, ...headers },
        method,
      );
    const ticketed = async () => {
      const { pathname, search } = new URL((await ui(NAVIGATE)).headers.location ?? "");
      return pathname + search;
    };

    test("a navigation gets a ticket, its exchange a cookie and the clean URL; a second use gets neither", async () => {
      const first = await ui(NAVIGATE);
      expect(first.status).toBe(303);
      expect(first.headers.location).toStartWith(`${origin}${path("/a?b=1&cocalc-ticket=")}`);
      const { pathname, search } = new URL(first.headers.location ?? "");
      const exchanged = await call(apps, pathname + search, { host, ...NAVIGATE });
      expect(exchanged.status).toBe(303);
      expect(exchanged.headers.location).toBe(path("/a?b=1"));
      const [set = ""] = exchanged.headers["set-cookie"] ?? [];
      expect(set).toMatch(
        new RegExp(`^cocalc_app_\\w+=\\S+; Path=/${lab.project_id}/; HttpOnly; SameSite=Lax$`),
      );
      expect((await call(apps, path("/a"), { host, cookie: set.split(";")[0] ?? "" })).body).toBe("the app");
      const again = await call(apps, pathname + search, { host, ...NAVIGATE });
      expect(again.headers["set-cookie"]).toBeUndefined();
      expect(again.headers.location).toBe(`http://localhost:${lab.ports.loopbackUi}${path("/a?b=1")}`);
    });
    test("anything but a navigation is misdirected", async () => {
      expect((await ui()).status).toBe(421);
      expect((await ui(NAVIGATE, "POST")).status).toBe(421);
    });
    test("who is not signed in is led to do so", async () => {
      lab.setCaller(null);
      expect((await ui(NAVIGATE)).headers.location).toStartWith("/sign-in?next=%2F");
    });
    test("a ticket is not spent by a script or a prefetch, nor good for another person or project", async () => {
      const url = await ticketed();
      expect((await call(apps, url, { host })).status).toBe(403);
      expect((await call(apps, url, { host, ...NAVIGATE, "sec-purpose": "prefetch;prerender" })).status).toBe(
        403,
      );
      lab.setCaller({ ...ADA, account_id: "eve" });
      expect((await call(apps, url, { host, ...NAVIGATE })).status).toBe(403);
      lab.setCaller(ADA);
      const elsewhere = (await ticketed()).replaceAll(lab.project_id, other);
      const answer = await call(apps, elsewhere, { host: `${other}.localhost:${apps}`, ...NAVIGATE });
      expect(answer.headers["set-cookie"]).toBeUndefined();
    });
  });

  describe("an ended membership", () => {
    const open = async (rest: string, headers: Record<string, string>) => {
      let ended = false;
      const req = request({
        host: "127.0.0.1",
        port: apps,
        path: path(rest),
        headers: { host, cookie, ...headers },
      });
      const began = new Promise<void>((resolve) => {
        req.on("upgrade", (_res, socket) => {
          socket.on("close", () => {
            ended = true;
          });
          socket.resume();
          resolve();
        });
        req.on("response", (res) => {
          res.on("error", () => {});
          res.on("close", () => {
            ended = true;
          });
          res.once("data", () => resolve());
        });
      });
      req.on("error", () => {});
      req.end();
      await began;
      return { ended: () => ended, close: () => req.destroy() };
    };
    for (const [what, rest, upgrade] of [
      ["socket", "/", true],
      ["answer", "/forever", false],
    ] as const) {
      test(`ends a live ${what}; a host that is away does not`, async () => {
        const way = await open(rest, upgrade ? { origin, ...UPGRADE } : {});
        lab.setRoute(async () => {
          throw new CodedError({ code: "host.away", title: "away", status: 504 });
        });
        await lab.gateway.recheck(lab.project_id);
        await Bun.sleep(50);
        expect(way.ended()).toBe(false);
        lab.setRoute(async () => {
          throw new CodedError({ code: "project.not-found", title: "none", status: 404 });
        });
        await lab.gateway.recheck(other);
        expect(way.ended()).toBe(false);
        await lab.gateway.recheck(lab.project_id);
        for (let tries = 0; tries < 100 && !way.ended(); tries++) await Bun.sleep(10);
        expect(way.ended()).toBe(true);
        way.close();
      });
    }
  });

  describe("pages that say what is the matter", () => {
    test("nothing listens: 502, with what does", async () => {
      const answer = await call(apps, path("/", lab.project_id, 1), { host, cookie, ...NAVIGATE });
      expect(answer.status).toBe(502);
      expect(answer.headers["content-type"]).toStartWith("text/html");
      expect(answer.body).toContain("Nothing listens on port 1 ");
      expect(answer.body).toContain(String(port));
    });
    test("a stopped project: 503 and how to start it, its name harmless (Coder GHSA-7qw2)", async () => {
      lab.setRoute(async () => {
        const title = "The project <img src=x onerror=alert(1)> is stopped";
        throw new CodedError({
          code: "project.not-running",
          title,
          fix: "Open it and start it.",
          status: 503,
        });
      });
      const page = await get("/", NAVIGATE);
      expect(page.status).toBe(503);
      expect(page.body).not.toContain("<img");
      expect(page.body).toContain(`/projects/${lab.project_id}`);
      const script = await get();
      expect(script.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(script.body).code).toBe("project.not-running");
    });
    test("a host that is away: 504", async () => {
      lab.setRoute(async () => ({ host_id: lab.host_id, port: 1 }));
      const answer = await get("/", NAVIGATE);
      expect(answer.status).toBe(504);
      expect(answer.body).toContain("does not answer");
    });
  });

  describe("the host's own port", () => {
    const direct = (url: string, headers: Record<string, string> = {}) =>
      call(lab.ports.hostHttp, url, headers);
    const grantFor = (change: { project_id?: string; port?: number }) =>
      lab.grants.sign(
        {
          kind: "proxy",
          sub: "ada",
          project_id: change.project_id ?? lab.project_id,
          target: { port: change.port ?? port },
        },
        lab.host_id,
        60,
      );

    test("nothing without a grant, but the echo", async () => {
      for (const url of [path(), "/", "/conat", `/${lab.project_id}/files/x`])
        expect((await direct(url)).status).toBe(403);
      expect((await direct(path(), UPGRADE)).status).toBe(403);
      expect((await direct("/conat", UPGRADE)).status).toBe(403);
      expect((await direct("/echo?nonce=abcdefgh")).status).toBe(200);
      expect((await direct("/echo?nonce=..")).status).toBe(400);
    });
    test("no grant for another port, project, host or purpose; none that ended or that another made", async () => {
      const other_host = await lab.grants.sign(
        { kind: "proxy", sub: "ada", project_id: lab.project_id, target: { port } },
        crypto.randomUUID(),
        60,
      );
      const ended = await lab.grants.sign(
        { kind: "proxy", sub: "ada", project_id: lab.project_id, target: { port } },
        lab.host_id,
        -60,
      );
      const socket = await lab.grants.sign(
        { kind: "conat", sub: "ada", name: "Ada", projects: [] },
        lab.host_id,
        60,
      );
      const { privateKey } = (await crypto.subtle.generateKey("Ed25519", true, [
        "sign",
        "verify",
      ])) as CryptoKeyPair;
      const forged = await signGrant(
        { kind: "proxy", sub: "ada", project_id: lab.project_id, target: { port } },
        { key: privateKey, hubId: lab.hub_id, hostId: lab.host_id, seconds: 60 },
      );
      const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${forged.split(".")[1]}.`;
      const bad = [
        other_host,
        ended,
        socket,
        forged,
        none,
        await grantFor({ port: 1 }),
        await grantFor({ project_id: other }),
      ];
      for (const grant of bad) {
        expect((await direct(path(), { "cocalc-grant": grant })).status).toBe(403);
        expect((await direct(path(), { "cocalc-grant": grant, ...UPGRADE })).status).toBe(403);
      }
      expect(seen).toBeUndefined();
      expect((await direct(path(), { "cocalc-grant": await grantFor({}) })).status).toBe(200);
    });
  });
});
