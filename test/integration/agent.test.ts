import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import type { Peer } from "../../src/conat/peer.ts";
import { dialAgent, dialAgentPeer } from "../../src/contract/agent-dial.ts";
import {
  callProject,
  openProject,
  readFile,
  readTextFile,
  runCommand,
  writeFile,
} from "../../src/contract/project-client.ts";
import { CodedError } from "../../src/core/errors.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";

let lab: AgentLab;
let peer: Peer;
let id: string;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

beforeAll(async () => {
  lab = await startAgent();
  peer = lab.browser();
  id = lab.project_id;
});
afterAll(async () => await lab.stop());

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return "none";
}

/** A viewer of a terminal that keeps what it sees. */
async function view(
  caller: Peer,
  terminal_id: string,
  options: { rows?: number; cols?: number; since?: number } = {},
) {
  const { stream, send, onMessage } = await openProject(caller, id, "terminal.attach", {
    terminal_id,
    rows: options.rows ?? 24,
    cols: options.cols ?? 80,
    ...(options.since === undefined ? {} : { since: options.since }),
  });
  const viewer = {
    stream,
    send,
    output: "",
    at: 0,
    messages: [] as { type: string; [key: string]: unknown }[],
    type: (keys: string) => stream.write(bytes(keys)),
    async until(what: string | RegExp, timeout = 10_000) {
      for (const end = Date.now() + timeout; ; await Bun.sleep(5)) {
        if (typeof what === "string" ? viewer.output.includes(what) : what.test(viewer.output)) return;
        if (Date.now() > end)
          throw new Error(`never saw ${what} in ${JSON.stringify(viewer.output.slice(-2000))}`);
      }
    },
    async message(type: string) {
      for (const end = Date.now() + 10_000; ; await Bun.sleep(5)) {
        const found = viewer.messages.findLast((m) => m.type === type);
        if (found !== undefined) return found;
        if (Date.now() > end) throw new Error(`no message ${type}`);
      }
    },
  };
  onMessage((message) => {
    viewer.messages.push(message);
    if (message.type === "snapshot" || message.type === "skipped") viewer.at = message.from;
  });
  stream.onData((chunk) => {
    viewer.at += chunk.length;
    viewer.output += text(chunk);
  });
  return viewer;
}

describe("preface", () => {
  async function answer(send: string | undefined): Promise<string> {
    return await new Promise((resolve) => {
      const socket = createConnection(lab.socket);
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk.toString();
      });
      socket.on("close", () => resolve(got));
      if (send !== undefined) socket.write(send);
    });
  }

  test("a wrong token, nonsense, and endless lines are refused with a code", async () => {
    expect(await codeOf(dialAgentPeer(lab.socket, "x".repeat(32)))).toBe("agent.bad-token");
    expect(await answer("hello\n")).toStartWith("err agent.bad-preface ");
    expect(await answer(`${lab.token} splice 99999\n`)).toStartWith("err agent.bad-preface ");
    expect(await answer(`${lab.token} splice 0x50\n`)).toStartWith("err agent.bad-preface ");
    expect(await answer(`${lab.token} conat extra words\n`)).toStartWith("err agent.bad-preface ");
    expect(await answer("x".repeat(5000))).toStartWith("err agent.bad-preface ");
  });

  test("garbage behind a good preface closes that connection alone", async () => {
    const got = await answer(`${lab.token} conat\n${"\xff".repeat(100)}`);
    expect(got).toStartWith("ok\n");
    expect((await callProject(peer, id, "hello", {})).home).toBe(lab.home);
  });

  test("no agent, a symlink, and a plain file in the socket's place", async () => {
    expect(await codeOf(dialAgentPeer("/tmp/no-such-agent.sock", lab.token))).toBe("agent.unreachable");
    const link = join(lab.home, "link.sock");
    symlinkSync(lab.socket, link);
    expect(await codeOf(dialAgentPeer(link, lab.token))).toBe("agent.unreachable");
  });
});

describe("terminals", () => {
  test("a shell lives on without viewers; a viewer that comes back sees what it missed, and only that", async () => {
    const { terminal_id } = await callProject(peer, id, "terminal.create", { rows: 30, cols: 100 });
    const first = await view(peer, terminal_id, { rows: 30, cols: 100 });
    await first.type("echo one-$((1+1)); stty size; echo $TERM:${COCALC_AGENT_TOKEN:-none}:$HOME\r");
    await first.until("one-2");
    await first.until("30 100");
    await first.until(`xterm-256color:none:${lab.home}`);
    await first.type("sleep 0.3; echo missed-$((2+2))\r");
    await first.until("echo missed");
    const seen = first.at;
    first.stream.reset(new CodedError({ code: "test.gone", title: "laptop closed" }));
    await Bun.sleep(500);
    const second = await view(peer, terminal_id, { since: seen });
    await second.until("missed-4");
    expect(second.output).not.toContain("one-2");
    expect((await second.message("snapshot")).reset).toBe(false);
    const fresh = await view(peer, terminal_id);
    await fresh.until("one-2");
    await fresh.until("missed-4");
    const stale = await view(peer, terminal_id, { since: 10_000_000 });
    expect((await stale.message("snapshot")).reset).toBe(true);
    await callProject(peer, id, "terminal.close", { terminal_id });
    expect(await codeOf(view(peer, terminal_id))).toBe("terminal.unknown");
  });

  test("two viewers: the same bytes, the smaller size, titles, names, exit and restart", async () => {
    const { terminal_id } = await callProject(peer, id, "terminal.create", {});
    const other = lab.browser();
    const changes: unknown[] = [];
    other.subscribe(`project.${id}.changed`, (_, data) => changes.push(data));
    const a = await view(peer, terminal_id, { rows: 40, cols: 120 });
    const b = await view(other, terminal_id, { rows: 20, cols: 90 });
    await a.type("stty size; printf '\\033]0;my title\\007'\r");
    await b.until("20 90");
    expect((await b.message("title")).title).toBeString();
    await b.type("echo from-b-$((3+3))\r");
    await a.until("from-b-6");
    b.stream.end();
    await Bun.sleep(50);
    a.send({ type: "resize", rows: 41, cols: 121 });
    await Bun.sleep(50);
    await a.type("stty size\r");
    await a.until("41 121");
    const { name } = await callProject(peer, id, "terminal.rename", { terminal_id, name: "build" });
    expect(name).toBe("build");
    await a.type("exit 7\r");
    expect((await a.message("exit")).exit).toEqual({ code: 7, signal: null });
    expect((await callProject(peer, id, "terminal.restart", { terminal_id })).running).toBe(true);
    await a.message("restarted");
    await a.type("echo again-$((4+4))\r");
    await a.until("again-8");
    await a.type("kill -9 $$\r");
    for (; a.messages.filter(({ type }) => type === "exit").length < 2; ) await Bun.sleep(10);
    expect((await a.message("exit")).exit).toEqual({ code: null, signal: "SIGKILL" });
    const { terminals } = await callProject(peer, id, "terminal.list", {});
    expect(terminals.find((t) => t.terminal_id === terminal_id)).toMatchObject({
      name: "build",
      running: false,
    });
    expect(changes.length).toBeGreaterThan(0);
    await callProject(peer, id, "terminal.close", { terminal_id });
  });

  test("100 MB of output: a reader that stopped holds the program back, and memory stays bounded", async () => {
    const { terminal_id } = await callProject(peer, id, "terminal.create", {});
    const { stream, onMessage } = await openProject(peer, id, "terminal.attach", {
      terminal_id,
      rows: 24,
      cols: 80,
    });
    let total = 0;
    let tail = "";
    let skipped = 0;
    let gate: Promise<void> | undefined;
    onMessage((message) => {
      if (message.type === "skipped") skipped++;
    });
    stream.onData((chunk) => {
      total += chunk.length;
      tail = (tail + text(chunk)).slice(-200);
      return gate;
    });
    const before = await lab.rss();
    let open = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    await stream.write(
      bytes("head -c 100000000 /dev/zero | tr '\\0' x | fold -w 99; echo the-$((5+5))-end\r"),
    );
    await Bun.sleep(1500);
    const held = await callProject(peer, id, "hello", {});
    expect(held.pid).toBe(lab.pid);
    expect(total).toBeLessThan(600_000);
    const stopped = await lab.rss();
    gate = undefined;
    open();
    for (const end = Date.now() + 60_000; !tail.includes("the-10-end") && Date.now() < end; )
      await Bun.sleep(20);
    expect(tail).toContain("the-10-end");
    const after = await lab.rss();
    console.log(
      `100 MB through a terminal: ${total} bytes seen, skipped ${skipped} times, agent RSS before/held/after ` +
        [before, stopped, after].map((n) => `${Math.round(n / 1e6)} MB`).join(" / "),
    );
    // Nothing was lost: 100,000,000 letters and a CRLF for each line of 99.
    expect(skipped).toBe(0);
    expect(total).toBeGreaterThan(102_020_000);
    expect(after - before).toBeLessThan(80_000_000);
    await callProject(peer, id, "terminal.close", { terminal_id });
  }, 90_000);
});

describe("exec", () => {
  test("output, status, signal, stdin, cwd and environment", async () => {
    mkdirSync(join(lab.home, "sub"));
    const result = await runCommand(
      peer,
      id,
      { command: 'cat; pwd; echo "$X" >&2; exit 3', cwd: "sub", env: { X: "err" } },
      { stdin: bytes("in\n") },
    );
    expect([text(result.stdout), text(result.stderr), result.exit]).toEqual([
      `in\n${lab.home}/sub\n`,
      "err\n",
      { code: 3, signal: null },
    ]);
    const killed = await runCommand(peer, id, { command: "kill -TERM $$" });
    expect(killed.exit).toEqual({ code: null, signal: "SIGTERM" });
    expect(await codeOf(runCommand(peer, id, { argv: ["/no/such"] }))).toBe("exec.not-found");
    expect(await codeOf(runCommand(peer, id, { argv: ["true"], cwd: "/no/such" }))).toBe("exec.not-found");
    expect(await codeOf(runCommand(peer, id, { argv: ["x"], command: "y" }))).toBe("exec.ambiguous");
    const tty = await runCommand(peer, id, { command: "stty size; exit 4", tty: { rows: 11, cols: 22 } });
    expect(text(tty.stdout)).toContain("11 22");
    expect(tty.exit.code).toBe(4);
  });

  test("large output whole and in order; a background child does not hold the end", async () => {
    const { stdout } = await runCommand(peer, id, { command: "seq 1 600000" });
    expect(stdout.length).toBe(4_088_895);
    expect(text(stdout.subarray(-14))).toBe("599999\n600000\n");
    const started = Date.now();
    const { exit, stdout: out } = await runCommand(peer, id, { command: "sleep 30 & echo done" });
    expect([exit.code, text(out)]).toEqual([0, "done\n"]);
    expect(Date.now() - started).toBeLessThan(15_000);
  });

  test("a reader that stopped holds the command back; one that goes away ends it", async () => {
    const { stream } = await openProject(peer, id, "exec", { argv: ["bash", "-c", "echo $$; exec yes"] });
    let first = "";
    const before = await lab.rss();
    stream.onData((chunk) => {
      first ||= text(chunk.subarray(5));
      return new Promise(() => {});
    });
    await Bun.sleep(700);
    expect((await lab.rss()) - before).toBeLessThan(40_000_000);
    const pid = Number(first.split("\n")[0]);
    expect(statSync(`/proc/${pid}`).isDirectory()).toBe(true);
    stream.reset(new CodedError({ code: "test.gone", title: "gone" }));
    for (const end = Date.now() + 5000; Date.now() < end; await Bun.sleep(20)) {
      if (!(await Bun.file(`/proc/${pid}/stat`).exists())) break;
    }
    expect(await Bun.file(`/proc/${pid}/stat`).exists()).toBe(false);
  });
});

describe("files", () => {
  test("write, read, conflict, modes, links", async () => {
    const made = await writeFile(peer, id, "notes.md", "one\n", { etag: null });
    expect(await codeOf(writeFile(peer, id, "notes.md", "x", { etag: null }))).toBe("file.changed");
    const { text: one, file } = await readTextFile(peer, id, "notes.md");
    expect([one, file.etag, file.mode]).toEqual(["one\n", made.etag, 0o644]);
    const next = await writeFile(peer, id, "~/notes.md", "two\n", { etag: file.etag });
    expect(await codeOf(writeFile(peer, id, "notes.md", "three\n", { etag: file.etag }))).toBe(
      "file.changed",
    );
    expect(readFileSync(join(lab.home, "notes.md"), "utf8")).toBe("two\n");
    symlinkSync("notes.md", join(lab.home, "alias"));
    await writeFile(peer, id, "alias", "through\n", { etag: next.etag });
    expect(readFileSync(join(lab.home, "notes.md"), "utf8")).toBe("through\n");
    writeFileSync(join(lab.home, "run.sh"), "", { mode: 0o755 });
    expect((await writeFile(peer, id, "run.sh", "#!/bin/sh\n")).mode).toBe(0o755);
    const big = new Uint8Array(3_000_000).map((_, i) => (i * 13) % 256);
    await writeFile(peer, id, "big", big);
    expect(Buffer.compare((await readFile(peer, id, "big")).bytes, big)).toBe(0);
    expect(await codeOf(readFile(peer, id, "big", 1000))).toBe("file.too-large");
    expect(await codeOf(readTextFile(peer, id, "big"))).toBe("file.binary");
  });

  test("what is no file: FIFOs, devices, loops, folders, the missing", async () => {
    await runCommand(peer, id, {
      command: "mkfifo pipe; ln -s loop-b loop-a; ln -s loop-a loop-b; ln -s nowhere broken",
    });
    expect(await codeOf(readFile(peer, id, "pipe"))).toBe("file.not-regular");
    expect(await codeOf(writeFile(peer, id, "pipe", "x"))).toBe("file.not-regular");
    expect(await codeOf(readFile(peer, id, "/dev/zero"))).toBe("file.not-regular");
    expect(await codeOf(readFile(peer, id, "loop-a"))).toBe("file.link-loop");
    expect(await codeOf(readFile(peer, id, "."))).toBe("file.is-a-folder");
    expect(await codeOf(readFile(peer, id, "missing"))).toBe("file.not-found");
    expect(await codeOf(readFile(peer, id, "notes.md/x"))).toBe("file.not-a-folder");
    expect(await codeOf(callProject(peer, id, "files.remove", { path: "." }))).toBe("file.is-home");
    expect(await codeOf(callProject(peer, id, "files.stat", { path: "a\0b" }))).toBe("request.invalid");
    const { entries } = await callProject(peer, id, "files.list", { path: "." });
    const types = Object.fromEntries(entries.map((e) => [e.name, `${e.type}:${e.target_type}`]));
    expect(types).toMatchObject({
      pipe: "fifo:null",
      "loop-a": "symlink:null",
      broken: "symlink:null",
      alias: "symlink:file",
      sub: "directory:null",
    });
  });

  test("folders: make, page, rename, remove, watch", async () => {
    const watching = await openProject(peer, id, "files.watch", { path: "." });
    const names = new Set<string>();
    watching.onMessage((message) => {
      for (const name of message.names) names.add(name);
    });
    await callProject(peer, id, "files.mkdir", { path: "deep/er", parents: true });
    expect(await codeOf(callProject(peer, id, "files.mkdir", { path: "deep" }))).toBe("file.exists");
    await runCommand(peer, id, { command: "cd deep; for i in $(seq 1000 3499); do : > f$i; done" });
    const page = await callProject(peer, id, "files.list", { path: "deep", offset: 2000, limit: 3 });
    expect([page.total, page.entries.map((e) => e.name)]).toEqual([2501, ["f2999", "f3000", "f3001"]]);
    expect(await codeOf(callProject(peer, id, "files.rename", { from: "notes.md", to: "big" }))).toBe(
      "file.exists",
    );
    await callProject(peer, id, "files.rename", { from: "notes.md", to: "deep/n.md" });
    expect(await codeOf(callProject(peer, id, "files.remove", { path: "deep" }))).toBe("file.not-empty");
    await callProject(peer, id, "files.remove", { path: "deep", recursive: true });
    expect(await codeOf(callProject(peer, id, "files.stat", { path: "deep" }))).toBe("file.not-found");
    for (const end = Date.now() + 3000; !names.has("deep") && Date.now() < end; ) await Bun.sleep(20);
    expect([...names]).toContain("deep");
    watching.stream.end();
  });
});

describe("ports and splice", () => {
  test("a real web server inside is listed, reached, and left", async () => {
    writeFileSync(join(lab.home, "page.txt"), "x".repeat(500_000));
    const { stream, send, onMessage } = await openProject(peer, id, "exec", {
      argv: ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
      env: { PYTHONUNBUFFERED: "1" },
    });
    let said = "";
    let exit: unknown;
    stream.onData((chunk) => {
      said += text(chunk);
    });
    onMessage((message) => {
      if (message.type === "exit") exit = message.exit;
    });
    for (const end = Date.now() + 10_000; !/port \d+/.test(said) && Date.now() < end; ) await Bun.sleep(20);
    const port = Number(/port (\d+)/.exec(said)?.[1]);
    const { ports } = await callProject(peer, id, "ports", {});
    expect(ports.find((p) => p.port === port)).toMatchObject({ address: "127.0.0.1" });
    const get = async () => {
      const { socket, head } = await dialAgent(lab.socket, lab.token, { kind: "splice", port });
      socket.end("GET /page.txt HTTP/1.0\r\n\r\n");
      const chunks: Uint8Array[] = [head];
      for await (const chunk of socket) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    // In fours: http.server listens with a backlog of 5, and more at once are reset before any splice sees them.
    const pages: string[] = [];
    for (let round = 0; round < 5; round++) pages.push(...(await Promise.all([get(), get(), get(), get()])));
    for (const page of pages) {
      expect(page).toStartWith("HTTP/1.0 200 OK");
      expect(page.length).toBeGreaterThan(500_000);
    }
    expect(await codeOf(dialAgent(lab.socket, lab.token, { kind: "splice", port: 1 }))).toBe(
      "splice.refused",
    );
    send({ type: "signal", signal: "SIGTERM" });
    for (const end = Date.now() + 5000; exit === undefined && Date.now() < end; ) await Bun.sleep(20);
    expect(exit).toEqual({ code: null, signal: "SIGTERM" });
    stream.end();
  }, 30_000);
});
