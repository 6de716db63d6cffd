/** The parts of managed apps that need no process of a project. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { APP_LOG_BYTES, APPS_FILE, appDefinitionSchema, BUILT_IN_APPS } from "../../contract/apps.ts";
import { createDefinitions } from "./definitions.ts";
import { idle } from "./idle.ts";
import { AppLog } from "./log.ts";
import { adoptable } from "./running.ts";
import { countConnections, parseStat, sessionMembers } from "./sessions.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "apps-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("definitions", () => {
  const own = appDefinitionSchema.parse({ title: "Mine", command: "exec ./serve" });
  const write = (text: string) => {
    mkdirSync(dirname(join(home, APPS_FILE)), { recursive: true });
    writeFileSync(join(home, APPS_FILE), text);
  };

  test("a project's own hide a built-in of their name, and give it back", () => {
    const definitions = createDefinitions(home);
    definitions.define("jupyterlab", own);
    expect(definitions.find("jupyterlab")).toEqual(own);
    definitions.define("jupyterlab", null);
    expect(definitions.find("jupyterlab").title).toBe("JupyterLab");
    expect(definitions.all().problem).toBeNull();
  });
  test("a file that does not parse is told, the built-in ones go on, and it is not overwritten", () => {
    for (const bad of ["{", '{"apps":{"UP":{}}}', '{"apps":{"a":{"title":"","command":"x"}}}', "null"]) {
      write(bad);
      const { apps, problem } = createDefinitions(home).all();
      expect(problem?.code).toBe("apps.file-unreadable");
      expect(apps.size).toBe(Object.keys(BUILT_IN_APPS).length);
      expect(() => createDefinitions(home).define("mine", own)).toThrow("cannot be read");
      expect(readFileSync(join(home, APPS_FILE), "utf8")).toBe(bad);
    }
  });
  test("what there is not is named, with what there is", () => {
    expect(() => createDefinitions(home).find("nope")).toThrow("no app called nope");
  });
});

describe("the log", () => {
  test("a reader goes on where it was, also past a cut, and the cut is said", () => {
    const log = new AppLog(join(home, "a.log"));
    const fd = log.begin();
    writeSync(fd, "one\n");
    expect(log.read(0)).toEqual({ from: 0, next: 4, text: "one\n" });
    writeSync(fd, "two\n");
    expect(log.read(4)).toEqual({ from: 4, next: 8, text: "two\n" });
    const flood = Buffer.alloc(APP_LOG_BYTES * 4, "x\n");
    writeSync(fd, flood);
    expect(log.trim()).toBeGreaterThan(APP_LOG_BYTES);
    writeSync(fd, "after\n");
    const rest = log.read(8);
    expect(rest.from).toBeGreaterThan(APP_LOG_BYTES * 3);
    expect(rest.text).toEndWith("x\nafter\n");
    expect(log.read(rest.next)).toEqual({ from: rest.next, next: rest.next, text: "" });
    expect(readFileSync(log.path, "utf8")).toMatch(/^\[\d+ bytes of output were cut here\]\n/);
    closeSync(fd);
    closeSync(log.begin());
    expect(log.read(rest.next)).toEqual({ from: 0, next: 0, text: "" });
  });
});

describe("idle", () => {
  const limitMs = 60_000;
  const from = { cpu: 0, at: 0, active: 0 };
  test("only without a session and without work", () => {
    expect(idle(from, { cpu: 0, sessions: 0, now: 60_000, limitMs }).over).toBe(true);
    expect(idle(from, { cpu: 0, sessions: 1, now: 60_000, limitMs }).over).toBe(false);
    expect(idle(from, { cpu: 60 * 100, sessions: 0, now: 60_000, limitMs }).over).toBe(false);
    expect(idle(from, { cpu: 0, sessions: 0, now: 9e9, limitMs: 0 }).over).toBe(false);
  });
  test("a server that ticks over is idle, one that computes is not, and an ended child does not count back", () => {
    expect(idle(from, { cpu: 60, sessions: 0, now: 60_000, limitMs }).over).toBe(true);
    expect(idle({ cpu: 500, at: 0, active: 0 }, { cpu: 10, sessions: 0, now: 60_000, limitMs }).over).toBe(
      true,
    );
  });
});

describe("processes", () => {
  test("a name in /proc may hold anything", () => {
    const line = `42 (a) S 1 (b)) S 1 41 41 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 1 0 9876 0`;
    expect(parseStat(line)).toEqual({ pid: 42, session: 41, cpu: 12, started: 9876, zombie: false });
    expect(parseStat("")).toBeUndefined();
  });
  test("a session's members are found, and a reused pid is not adopted", async () => {
    const proc = Bun.spawn(["sh", "-c", "sleep 60 & wait"], { detached: true });
    await Bun.sleep(100);
    expect(sessionMembers(proc.pid).length).toBe(2);
    mkdirSync(join(home, ".cache/cocalc/apps"), { recursive: true });
    const record = join(home, ".cache/cocalc/apps/a.json");
    writeFileSync(record, JSON.stringify({ pid: proc.pid, started: 1, port: 80, since: 1 }));
    expect(adoptable(home, "a")).toBeUndefined();
    for (const { pid } of sessionMembers(proc.pid)) process.kill(pid, "SIGKILL");
    await proc.exited;
  });
  test("established connections to a port are counted from its side", () => {
    const table = [
      "  sl  local_address rem_address   st",
      "   0: 0100007F:1F90 00000000:0000 0A 0 0 0 0 0 1",
      "   1: 0100007F:1F90 0100007F:D431 01 0 0 0 0 0 2",
      "   2: 0100007F:D431 0100007F:1F90 01 0 0 0 0 0 3",
    ].join("\n");
    expect(countConnections(table, 8080)).toBe(1);
  });
});
