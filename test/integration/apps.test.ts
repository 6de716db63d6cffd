/** Managed apps on the whole way (doors, gateway, grants, host, agent), and everything an app may do wrong. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { statOf } from "../../src/agent/apps/sessions.ts";
import type { Peer } from "../../src/conat/peer.ts";
import { APP_LOG_BYTES, type App, type AppDefinition, type AppStatus } from "../../src/contract/apps.ts";
import { callProject } from "../../src/contract/project-client.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";
import { type ChainLab, openChain } from "../fixtures/chain-lab.ts";
import { until } from "../fixtures/running-hub.ts";

const NAVIGATE = { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "none" };
const SLOW = 60_000;

/** Says what it sees: path, some headers, environment. */
const MIRROR = `
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.endswith("/big"):
            self.send_response(200); self.send_header("X-Big", "x" * (1 << 20)); self.send_header("Content-Length", "0"); self.end_headers(); return
        if self.path.endswith("/die"):
            os._exit(3)
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "base": os.environ["APP_BASE_URL"], "token": os.environ.get("COCALC_AGENT_TOKEN")}).encode()
        self.send_response(302 if self.path.endswith("/go") else 200)
        self.send_header("Location", "/there"); self.send_header("Set-Cookie", "sid=1; Path=/; HttpOnly")
        self.send_header("Content-Type", "application/json"); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
print("mirror begins", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`;

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

describe("managed apps", () => {
  let lab: ChainLab;
  let agent: AgentLab;
  let peer: Peer;
  let host = "";
  let cookie = "";

  function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const req = request(
        {
          host: "127.0.0.1",
          port: lab.ports.loopbackApps,
          path,
          method,
          headers: { host, cookie, ...headers },
          agent: false,
        },
        (res) => {
          let body = "";
          res.setEncoding("utf8").on("data", (chunk: string) => {
            body += chunk;
          });
          res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
        },
      );
      req.on("error", reject);
      req.end();
    });
  }
  const at = (app: string, rest = "/") => `/${lab.project_id}/apps/${app}${rest}`;
  const define = (app: string, definition: Partial<AppDefinition> & { command: string }) =>
    callProject(peer, lab.project_id, "apps.define", { app, definition: { title: app, ...definition } });
  const open = (app: string, how: { start?: boolean; again?: boolean } = {}): Promise<AppStatus> =>
    callProject(peer, lab.project_id, "apps.open", { app, start: how.start ?? true, again: how.again });
  const becomes = (app: string, state: AppStatus["state"]) =>
    until(
      `${app} is ${state}`,
      async () => {
        const status = await open(app, { start: false });
        return status.state === state ? status : undefined;
      },
      20_000,
    );

  beforeAll(async () => {
    lab = await openChain();
    agent = lab.agents[0] as AgentLab;
    peer = agent.browser();
    host = `${lab.project_id}.localhost:${lab.ports.loopbackApps}`;
    cookie = lab.cookie(false).replace("Cookie: ", "").trim();
    writeFileSync(join(agent.home, "mirror.py"), MIRROR);
  }, SLOW);
  afterAll(async () => {
    const { apps } = await callProject(peer, lab.project_id, "apps.list", {});
    for (const { name } of apps) await callProject(peer, lab.project_id, "apps.stop", { app: name });
    await lab.close();
  }, SLOW);

  test(
    "opening its URL starts it: a page with its log, then the app itself, below its own path",
    async () => {
      await define("mirror", { command: "sleep 1; exec python3 mirror.py" });
      expect(
        (await get(at("mirror"), { "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" })).status,
      ).toBe(503);
      expect((await open("mirror", { start: false })).state).toBe("stopped");
      const page = await get(at("mirror"), NAVIGATE);
      expect(page.status).toBe(503);
      expect(page.headers["content-type"]).toStartWith("text/html");
      expect(page.headers["cache-control"]).toBe("no-store");
      expect(page.body).toContain(`data-status="${at("mirror", "/.cocalc/app")}"`);
      const told = JSON.parse((await get(at("mirror", "/.cocalc/app?from=0"))).body);
      expect(told.status.state).toBe("starting");
      const { port } = await becomes("mirror", "running");
      const seen = JSON.parse((await get(at("mirror", "/a/b?c=%20"))).body);
      expect(seen.path).toBe(at("mirror", "/a/b?c=%20"));
      expect(seen.base).toBe(at("mirror"));
      expect(seen.token).toBeNull();
      expect(seen.headers["x-forwarded-prefix"]).toBeUndefined();
      expect(Object.keys(seen.headers).filter((name) => name.startsWith("cocalc"))).toEqual([]);
      expect(JSON.parse((await get(at("mirror", "/.cocalc/app?from=0"))).body).log.text).toContain(
        "mirror begins",
      );
      expect((await get(at("mirror", ""))).headers.location).toBe(at("mirror"));
      // The same server by its port, both ways.
      const stripped = JSON.parse((await get(`/${lab.project_id}/proxy/${port}/x`)).body);
      expect(stripped.path).toBe("/x");
      expect(stripped.headers["x-forwarded-prefix"]).toBe(`/${lab.project_id}/proxy/${port}`);
      expect(JSON.parse((await get(`/${lab.project_id}/port/${port}/x`)).body).path).toBe(
        `/${lab.project_id}/port/${port}/x`,
      );
    },
    SLOW,
  );

  test(
    "with its prefix stripped: Location, cookies and X-Forwarded-Prefix are put right",
    async () => {
      await define("strips", { command: "exec python3 mirror.py", base: "strip" });
      await open("strips");
      await becomes("strips", "running");
      const seen = await get(at("strips", "/go"));
      expect(JSON.parse(seen.body).path).toBe("/go");
      expect(JSON.parse(seen.body).headers["x-forwarded-prefix"]).toBe(at("strips", ""));
      expect(seen.headers.location).toBe(at("strips", "/there"));
      expect(seen.headers["set-cookie"]).toEqual([`sid=1; Path=${at("strips")}; HttpOnly`]);
    },
    SLOW,
  );

  test(
    "an app that insists on / gets the root of the project's own origin",
    async () => {
      await define("rooted", { command: "exec python3 mirror.py", base: "root" });
      await open("rooted");
      await becomes("rooted", "running");
      const lead = await get(at("rooted", "/deep?x=1"), NAVIGATE);
      expect(lead.status).toBe(303);
      expect(lead.headers.location).toBe("/deep?x=1");
      const root = lead.headers["set-cookie"]?.[0] ?? "";
      expect(root).toMatch(/^cocalc_root_=\S+; Path=\/; HttpOnly/);
      const seen = await get("/deep?x=1", { cookie: `${cookie}; ${root.split(";")[0]}` });
      expect(JSON.parse(seen.body).path).toBe("/deep?x=1");
      expect(JSON.parse(seen.body).base).toBe("/");
      expect(seen.headers["set-cookie"]).toEqual(["sid=1; Path=/; HttpOnly"]);
      expect((await get("/deep")).status).toBe(404);
      expect((await get("/../x", { cookie: root.split(";")[0] ?? "" })).status).toBe(404);
    },
    SLOW,
  );

  test("a port that is none, and an app that is none", async () => {
    for (const bad of [
      "proxy/0/",
      "proxy/65536/",
      "proxy/8000@evil/",
      "apps/No/",
      "apps/a@evil/",
      "apps/../x/",
    ])
      expect((await get(`/${lab.project_id}/${bad}`)).status).toBe(404);
    const unknown = await get(at("nope"));
    expect(unknown.status).toBe(404);
    expect(JSON.parse(unknown.body).code).toBe("app.unknown");
  });

  test(
    "what is not installed is said, with the line that installs it",
    async () => {
      const { apps } = await callProject(peer, lab.project_id, "apps.list", {});
      const rstudio = apps.find((one: App) => one.name === "rstudio");
      expect(rstudio?.installed).toBe(false);
      const status = await open("rstudio");
      expect(status.problem?.code).toBe("app.not-installed");
      expect(status.problem?.command).toContain("rstudio-server");
      expect((await get(at("rstudio"), NAVIGATE)).status).toBe(503);
    },
    SLOW,
  );

  test(
    "one that never listens is given up, and nothing of it is left",
    async () => {
      await define("deaf", { command: "echo I am deaf; sleep 1000 & sleep 1000", start_seconds: 1 });
      const { pid } = await open("deaf");
      const status = await becomes("deaf", "failed");
      expect(status.problem?.code).toBe("app.never-listened");
      expect(status.problem?.why).toContain("I am deaf");
      await until(
        "its processes are gone",
        async () => !(await Bun.file(`/proc/${pid}/stat`).exists()),
        10_000,
      );
      // Opening it again does not start it again, or its page would do so for ever.
      expect((await open("deaf")).state).toBe("failed");
      expect((await open("deaf", { again: true })).state).toBe("starting");
      await callProject(peer, lab.project_id, "apps.stop", { app: "deaf" });
      expect((await open("deaf", { start: false })).state).toBe("stopped");
    },
    SLOW,
  );

  test(
    "one that crashes says with what, and is not started over and over",
    async () => {
      await define("crash", { command: "echo out of luck >&2; exit 7" });
      await open("crash");
      const status = await becomes("crash", "failed");
      expect(status.problem?.title).toContain("status 7");
      expect(status.problem?.why).toContain("out of luck");
      const page = await get(at("crash"), NAVIGATE);
      expect(page.status).toBe(503);
      expect(JSON.parse((await get(at("crash"))).body).code).toBe("app.ended");
      await get(at("mirror", "/die")).catch(() => {});
      await becomes("mirror", "failed");
      const told = await get(at("mirror", "/.cocalc/app"), {}, "POST");
      expect(JSON.parse(told.body).status.state).toBe("starting");
      await becomes("mirror", "running");
      expect((await get(at("mirror"))).status).toBe(200);
    },
    SLOW,
  );

  test(
    "one that floods its log hurts nobody: the file stays small, the agent answers",
    async () => {
      await define("flood", { command: "(yes flooding & exec python3 mirror.py)" });
      await open("flood");
      await becomes("flood", "running");
      const file = join(agent.home, ".cache/cocalc/apps/flood.log");
      let largest = 0;
      let slowest = 0;
      for (let n = 0; n < 20; n++) {
        const began = performance.now();
        expect((await get(at("flood"))).status).toBe(200);
        slowest = Math.max(slowest, performance.now() - began);
        largest = Math.max(largest, statSync(file).size);
        await Bun.sleep(100);
      }
      console.log(
        `log at most ${Math.round(largest / 2 ** 20)} MiB, slowest answer ${slowest.toFixed(0)} ms`,
      );
      expect(largest).toBeLessThan(512 * 2 ** 20);
      expect(slowest).toBeLessThan(5_000);
      await callProject(peer, lab.project_id, "apps.stop", { app: "flood" });
      expect(statSync(file).size).toBeLessThanOrEqual(APP_LOG_BYTES);
      expect(readFileSync(file, "utf8")).toContain("bytes of output were cut here");
    },
    SLOW,
  );

  test(
    "one that sends 1 MB headers gets a clear answer, and the next request works",
    async () => {
      const answer = await get(at("mirror", "/big"));
      expect([200, 502]).toContain(answer.status);
      if (answer.status === 502) expect(JSON.parse(answer.body).code).toBe("app.broken");
      expect((await get(at("mirror"))).status).toBe(200);
      const mine = await get(at("mirror"), { "x-big": "x".repeat(1 << 20) }).catch((error: Error) => error);
      if (!(mine instanceof Error)) expect([400, 413, 431, 502]).toContain(mine.status);
      expect((await get(at("mirror"))).status).toBe(200);
    },
    SLOW,
  );

  test(
    "an idle one is stopped, one in use or at work is not",
    async () => {
      // The agent's clock is the machine's: the shortest limit is a minute, which a unit test covers (idle.ts). Here the
      // sessions that it counts are real.
      const before = (await open("mirror", { start: false })).sessions;
      const { port } = await open("mirror", { start: false });
      const socket = await Bun.connect({ hostname: "127.0.0.1", port: port ?? 0, socket: { data() {} } });
      await until(
        "the session is counted",
        async () =>
          (await open("mirror", { start: false })).sessions > before - 1 &&
          (await open("mirror", { start: false })).sessions > 0,
        5_000,
      );
      socket.end();
      await until("and its end", async () => (await open("mirror", { start: false })).sessions === 0, 10_000);
    },
    SLOW,
  );

  test("a broken file of definitions is told, and built-in apps are there", async () => {
    const file = join(agent.home, ".config/cocalc/apps.json");
    const kept = readFileSync(file);
    writeFileSync(file, "{");
    const { apps, problem } = await callProject(peer, lab.project_id, "apps.list", {});
    expect(problem?.code).toBe("apps.file-unreadable");
    expect(apps.some((one: App) => one.name === "jupyterlab")).toBe(true);
    writeFileSync(file, kept);
  });
});

test(
  "an app outlives its agent, and the next agent knows it again",
  async () => {
    const first = await startAgent();
    const home = first.home;
    writeFileSync(join(home, "mirror.py"), MIRROR);
    const call = first.browser();
    await callProject(call, first.project_id, "apps.define", {
      app: "kept",
      definition: { title: "kept", command: "exec python3 mirror.py" },
    });
    await callProject(call, first.project_id, "apps.open", { app: "kept", start: true });
    const ask = (peer: Peer, id: string) => callProject(peer, id, "apps.open", { app: "kept", start: false });
    const was = await until(
      "it runs",
      async () => {
        const status = await ask(call, first.project_id);
        return status.state === "running" ? status : undefined;
      },
      10_000,
    );
    process.kill(first.pid, "SIGKILL");
    const second = await startAgent(undefined, { home });
    const now = await ask(second.browser(), second.project_id);
    expect(now).toMatchObject({ state: "running", pid: was.pid, port: was.port });
    const stopped = await callProject(second.browser(), second.project_id, "apps.stop", { app: "kept" });
    expect(stopped.state).toBe("stopped");
    // Its parent, the first agent, is gone; who reaps it in its place may take its time.
    expect(statOf(was.pid ?? 0)?.zombie ?? true).toBe(true);
    await second.stop();
    await first.stop();
  },
  SLOW,
);
