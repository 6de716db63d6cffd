/** The command line against a real hub with a real host: over the local socket, and with a key over TLS. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJoinToken } from "../../src/contract/join-token.ts";
import { cleanEnv, type ExecOptions, exec } from "../../src/core/exec.ts";
import { HUB_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const PASSWORD = "correct horse battery staple";
const why = ROOT ? "" : " (skipped: containers by the helper need root)";

describe.skipIf(!ROOT)(`the command line${why}`, () => {
  let hub: RunningHub;
  let dir: string;
  let project: string;
  /** Over `url` with an API key, as from another machine. */
  let remote: (args: string[], options?: ExecOptions) => ReturnType<typeof exec>;

  beforeAll(async () => {
    hub = await startHub();
    dir = mkdtempSync(join(tmpdir(), "cc-cli-"));
    writeFileSync(join(dir, "pw"), `${PASSWORD}\n`);
    const made = await hub.cli("setup", "--email", "anna@example.org", "--password-file", join(dir, "pw"));
    expect(made.code).toBe(0);
    await until(
      "a ready host",
      async () =>
        (await hub.json<{ state: string }[]>("host", "list")).some((host) => host.state === "ready"),
      90_000,
    );
    project = (await hub.cli("project", "create", "--name", "thesis")).stdout.trim();
    const started = await hub.cli("project", "start", project);
    expect([started.stdout.trim(), started.code]).toEqual(["running", 0]);

    const origin = { origin: hub.url, "sec-fetch-site": "same-origin", "content-type": "application/json" };
    const post = (path: string, body: object, headers: Record<string, string> = {}) =>
      fetch(hub.url + path, {
        method: "POST",
        headers: { ...origin, ...headers },
        body: JSON.stringify(body),
      });
    const session = await post("/api/auth/sign-in/email", { email: "anna@example.org", password: PASSWORD });
    const cookie = session.headers
      .getSetCookie()
      .map((one) => one.split(";")[0])
      .join("; ");
    const { key } = (await (await post("/api/me/api-keys", { name: "cli" }, { cookie })).json()) as {
      key: string;
    };
    writeFileSync(join(dir, "ca.pem"), await (await fetch(`${hub.url}/ca.pem`)).text());
    remote = (args, options = {}) =>
      exec([HUB_BINARY, ...args], {
        timeout: 60_000,
        ...options,
        env: cleanEnv({
          COCALC_URL: `https://localhost:${hub.basePort}`,
          COCALC_API_KEY: key,
          NODE_EXTRA_CA_CERTS: join(dir, "ca.pem"),
          ...options.env,
        }),
      });
  }, 180_000);
  afterAll(async () => {
    await hub?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  test("exec keeps streams, standard input and exit code apart, locally and from elsewhere", async () => {
    const script = "read line; echo out $line; echo err >&2; exit 7";
    const argv = ["project", "exec", project, "--", "sh", "-c", script];
    const local = await exec([HUB_BINARY, ...argv.slice(0, 3), "--data-dir", hub.dataDir, ...argv.slice(3)], {
      stdin: "in\n",
      timeout: 30_000,
    });
    expect([local.stdout, local.stderr, local.code]).toEqual(["out in\n", "err\n", 7]);
    const far = await remote(argv, { stdin: "in\n" });
    expect([far.stdout, far.stderr, far.code]).toEqual(["out in\n", "err\n", 7]);
    const killed = await remote(["project", "exec", "thesis", "--", "sh", "-c", "kill -9 $$"]);
    expect(killed.code).toBe(137);
    const none = await remote(["project", "exec", project, "--", "no-such-program"]);
    expect(none.code).not.toBe(0);
    expect(none.stderr).not.toBe("");
  }, 60_000);

  test("a megabyte each way comes through whole", async () => {
    const bytes = Buffer.alloc(1_000_000, "0123456789abcdef\n").toString();
    const result = await remote(["project", "exec", project, "--", "cat"], { stdin: bytes });
    expect(result.stdout === bytes).toBe(true);
  }, 60_000);

  test("what is refused says so with its status", async () => {
    const wrong = await remote(["project", "list"], { env: { COCALC_API_KEY: "lpk_wrong" } });
    expect([wrong.code, wrong.stderr]).toEqual([77, expect.stringContaining("[auth.required]") as never]);
    const unknown = await remote(["project", "list"], { env: { NODE_EXTRA_CA_CERTS: "" } });
    expect([unknown.code, unknown.stderr]).toEqual([
      77,
      expect.stringContaining("[hub.unknown-certificate]") as never,
    ]);
    const missing = await remote(["project", "show", "nothing", "--json"]);
    expect([missing.code, JSON.parse(missing.stderr).code]).toEqual([66, "project.not-found"]);
    const local = await hub.cli("operation", "show", "nothing");
    expect(local.code).toBe(66);
    expect((await remote(["project", "create"])).code).toBe(64);
  }, 60_000);

  test("a token names the user that sshd runs as", async () => {
    const { token, line } = await hub.json<{ token: string; line: string }>("host", "token");
    expect(decodeJoinToken(token).ssh_user).toBe("cocalc");
    expect(line).toContain("--pinnedpubkey");
    expect((await hub.json<{ image: string }[]>("image", "list")).map((one) => one.image)).toContain("base");
  }, 30_000);

  test("kill -9 of the hub in the middle of a stop: the next hub ends it", async () => {
    const stopped = JSON.parse((await hub.cli("project", "stop", project, "--no-wait", "--json")).stdout);
    const serve = await exec(["pgrep", "-f", `cocalc-hub serve --data-dir ${hub.dataDir}`]);
    for (const pid of serve.stdout.trim().split("\n")) process.kill(Number(pid), "SIGKILL");
    await until("the hub is back", async () => (await hub.cli("settings", "list")).code === 0, 20_000);
    const waited = await hub.cli("operation", "wait", stopped.operation_id);
    expect([waited.code, waited.stderr]).toEqual([0, ""]);
    expect((await hub.json<{ state: string }>("project", "show", project)).state).toBe("stopped");
    const gone = await remote(["project", "delete", "thesis"]);
    expect([gone.code, gone.stdout.trim()]).toEqual([0, `deleted ${project}`]);
    expect(await hub.json("project", "list")).toEqual([]);
  }, 90_000);

  test("an idle hub needs at most 120 MB", async () => {
    const { stdout } = await exec(["pgrep", "-f", `cocalc-hub serve --data-dir ${hub.dataDir}`]);
    const status = await Bun.file(`/proc/${stdout.trim().split("\n")[0]}/status`).text();
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    console.log(`hub: ${rss.toFixed(0)} MB RSS`);
    expect(rss).toBeLessThanOrEqual(120);
  });
});
