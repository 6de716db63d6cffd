/** Apps and links from the command line, against a hub that really runs: what the page of apps does, without a page. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry, Project } from "../../src/contract/api.ts";
import type { AppLink } from "../../src/contract/api-apps.ts";
import type { App, AppStatus } from "../../src/contract/apps.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const SLOW = 120_000;

describe.skipIf(process.getuid?.() !== 0)("apps and links by command (needs root for podman)", () => {
  let hub: RunningHub;
  let id: string;
  const inside = (command: string) => hub.cli("project", "exec", id, "--", "bash", "-lc", command);
  const app = <T>(verb: string, ...args: string[]) => hub.json<T>("app", verb, id, ...args);

  beforeAll(async () => {
    hub = await startHub();
    const file = join(hub.dataDir, "password");
    writeFileSync(file, "correct horse battery\n");
    await hub.json("setup", "--email", "ada@example.com", "--password-file", file);
    await until(
      "the host is ready",
      async () => (await hub.json<{ state: string }[]>("host", "list"))[0]?.state === "ready",
      60_000,
    );
    id = (await hub.json<Project>("project", "create", "--name", "apps")).project_id;
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
  }, SLOW);

  test(
    "without a running project: what to do about it",
    async () => {
      const said = await hub.cli("app", "list", id);
      expect([said.code, said.stderr]).toEqual([
        75,
        expect.stringContaining(`cocalc-hub project start ${id}`),
      ]);
      await hub.json("project", "start", id);
    },
    SLOW,
  );

  test(
    "defined, listed, started, answers, its log, stopped, removed",
    async () => {
      const names = (await app<App[]>("list")).map((one) => one.name);
      expect(names).toContain("jupyterlab");
      expect(names).toContain("rstudio");
      await app(
        "define",
        "hello",
        ...["--title", "Hello", "--base", "strip"],
        ...["--command", 'echo "it begins"; exec python3 -u -m http.server --bind 127.0.0.1 "$PORT"'],
      );
      const running = await app<AppStatus>("start", "hello");
      expect(running).toMatchObject({ state: "running", title: "Hello" });
      expect(
        (await inside(`curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:${running.port}/`)).stdout,
      ).toBe("200");
      const ports = await app<{ port: number }[]>("ports");
      expect(ports.map((one) => one.port)).toContain(running.port ?? 0);
      expect((await hub.cli("app", "log", id, "hello")).stdout).toMatch(/it begins\n.*GET \/ HTTP/s);
      expect(await app("stop", "hello")).toMatchObject({ state: "stopped" });
      const table = await hub.cli("app", "list", id);
      expect(table.stdout).toMatch(/hello +Hello +stopped/);
      expect(table.stdout).toMatch(/rstudio +RStudio +stopped +0 +no \(needs rserver\)/);
      expect(await app("remove", "hello")).toEqual({ removed: "hello", built_in: false });
      expect((await app<App[]>("list")).map((one) => one.name)).not.toContain("hello");
    },
    SLOW,
  );

  test(
    "one that fails to start: its own status and why, and another try when told so",
    async () => {
      await app(
        "define",
        "broken",
        "--command",
        "echo cannot >&2; test -e mended && exec python3 -m http.server $PORT",
      );
      const failed = await hub.cli("app", "start", id, "broken");
      expect(failed.code).toBe(69);
      expect(failed.stderr).toContain("broken");
      expect((await hub.cli("app", "log", id, "broken", "--follow")).stdout).toContain("cannot\n");
      await inside("touch mended");
      expect(await app("start", "broken")).toMatchObject({ state: "running" });
      await app("stop", "broken");
      const unknown = await hub.cli("app", "start", id, "nothing-of-that-name");
      expect(unknown.code).not.toBe(0);
      expect(unknown.stderr).toContain("nothing-of-that-name");
      const bad = await hub.cli("app", "define", id, "x", "--command", "x", "--start-seconds", "soon");
      expect([bad.code, bad.stderr]).toEqual([64, expect.stringContaining("--start-seconds")]);
    },
    SLOW,
  );

  test(
    "links: off unless the admin allows them; made, listed, taken back, in the audit log",
    async () => {
      const off = await hub.cli("link", "create", id, "--app", "site");
      expect(off.code).not.toBe(0);
      expect(off.stderr).toContain("app_links");
      await hub.json("settings", "set", "app_links", "on");
      for (const wrong of [[], ["--app", "site", "--port", "8000"], ["--port", "0"], ["--port", "8000@evil"]])
        expect((await hub.cli("link", "create", id, ...wrong)).code).not.toBe(0);
      const made = await hub.json<AppLink & { url: string }>(
        "link",
        "create",
        id,
        "--port",
        "8000",
        "--hours",
        "2",
      );
      expect(made.url).toMatch(new RegExp(`^https://[^/]+:${hub.basePort + 2}/link/`));
      expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(2 * 3600_000);
      const list = await hub.json<AppLink[]>("link", "list", id);
      expect(list.map((one) => [one.link_id, one.path])).toEqual([[made.link_id, "/proxy/8000"]]);
      expect(JSON.stringify(list)).not.toContain(made.url.split("/").pop() ?? "no secret");
      // Once its time is over it opens nothing, and is in no list.
      const url = new URL(made.url);
      url.hostname = "localhost";
      const opened = async () => {
        const headers = { "sec-fetch-dest": "document", "sec-fetch-mode": "navigate" };
        const init = { headers, redirect: "manual", tls: { rejectUnauthorized: false } } as const;
        return (await fetch(url, init)).status;
      };
      expect(await opened()).toBeLessThan(400);
      const db = new Database(join(hub.dataDir, "launchpad/hub.sqlite"));
      const expires = (at: string) => db.run("update app_links set expires_at = ?", [at]);
      expires(new Date(Date.now() - 1000).toISOString());
      expect(await opened()).toBe(404);
      expect(await hub.json<AppLink[]>("link", "list", id)).toEqual([]);
      expires(made.expires_at);
      db.close();
      await hub.json("link", "revoke", id, made.link_id);
      expect(await hub.json<AppLink[]>("link", "list", id)).toEqual([]);
      const actions = (await hub.json<AuditEntry[]>("audit", "list")).map((one) => one.action);
      expect(actions.filter((one) => one.includes("link")).length).toBeGreaterThanOrEqual(2);
      expect((await hub.cli("app", "address", id)).stdout).toBe("its own\n");
    },
    SLOW,
  );
});
