import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { helperClient } from "./client.ts";
import { type HelperHandlers, parseRequest, serveHelper } from "./server.ts";
import { MAX_LINE_BYTES } from "./verbs.ts";

const dir = mkdtempSync(join(tmpdir(), "helper-"));
const path = join(dir, "h.sock");
const id = "11111111-2222-4333-8444-555555555555";
const digest = "ab".repeat(32);
const start = {
  project_id: id,
  digest,
  token: "0123456789abcdef",
  memory_bytes: 2 ** 30,
  cpus: 1,
  pids: 100,
  lan: "blocked",
};
const uid = process.getuid?.() ?? 0;
const handlers = { "project.list": () => ({ running: [] }) } as unknown as HelperHandlers;
const server = await serveHelper(path, { uid, gid: process.getgid?.() ?? 0 }, handlers);
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const refusal = (verb: unknown, params: unknown): string => {
  try {
    parseRequest(JSON.stringify({ verb, params }));
  } catch (error) {
    if (error instanceof CodedError && error.code === "helper.refused") return error.message;
    throw error;
  }
  return "taken";
};

describe("what the helper may be asked", () => {
  test("a proper start is taken", () => expect(refusal("project.start", start)).toBe("taken"));

  const bad: [string, unknown, unknown, RegExp][] = [
    ["an unknown verb", "project.exec", {}, /no verb/],
    ["an inherited name", "constructor", {}, /no verb/],
    ["a prototype", "__proto__", {}, /no verb/],
    ["a verb that is no text", 7, {}, /not \{verb/],
    ["an id with a path", "project.stop", { project_id: "../../etc" }, /project_id/],
    [
      "an upper-case id",
      "project.stop",
      { project_id: id.toUpperCase().replace("1111", "AAAA") },
      /project_id/,
    ],
    ["an id with a newline", "project.stop", { project_id: `${id}\n` }, /project_id/],
    ["a list for an id", "project.stop", { project_id: [id] }, /project_id/],
    ["a missing id", "project.remove", {}, /project_id/],
    [
      "a flag for a version",
      "machine.upgrade",
      { command_id: id, kind: "upgrade", version: "--purge" },
      /version/,
    ],
    [
      "a path for a version",
      "machine.upgrade",
      { command_id: id, kind: "upgrade", version: "../1" },
      /version/,
    ],
    [
      "a place to upgrade from",
      "machine.upgrade",
      { command_id: id, kind: "upgrade", version: null, url: "x" },
      /url/,
    ],
    ["another kind of upgrade", "machine.upgrade", { command_id: id, kind: "purge", version: null }, /kind/],
    ["one field too many", "project.stop", { project_id: id, force: true }, /force/],
    ["a path", "project.start", { ...start, path: "/etc" }, /path/],
    ["a flag in the token", "project.start", { ...start, token: "--privileged --pid=host" }, /token/],
    ["a line break in the token", "project.start", { ...start, token: `${start.token}\nX=1` }, /token/],
    ["a digest with a path", "image.unpack", { digest: `../${"a".repeat(61)}` }, /digest/],
    ["too little memory", "project.start", { ...start, memory_bytes: 1 }, /memory_bytes/],
    ["memory as text", "project.start", { ...start, memory_bytes: "1g" }, /memory_bytes/],
    ["a fraction of a process", "project.start", { ...start, pids: 20.5 }, /pids/],
    ["no end of processes", "project.start", { ...start, pids: -1 }, /pids/],
    ["another policy", "project.start", { ...start, lan: "host" }, /lan/],
    ["null", "project.start", null, /project_id/],
  ];
  for (const [name, verb, params, says] of bad) {
    test(`refuses ${name}`, () => expect(refusal(verb, params)).toMatch(says));
  }
  test("refuses what is no JSON", () => expect(() => parseRequest("rm -rf /")).toThrow("no JSON"));
});

describe("the socket", () => {
  const raw = (text: string | Buffer) =>
    new Promise<string>((resolve, reject) => {
      const socket = createConnection({ path });
      let got = "";
      socket.on("data", (chunk: Buffer) => {
        got += chunk.toString();
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(got));
      socket.write(text);
    });

  test("answers", async () => {
    expect(await helperClient(path).call("project.list", {})).toEqual({ running: [] });
  });
  test("is its owner's alone", () => expect(statSync(path).mode & 0o777).toBe(0o600));
  test("ends a line that is too long", async () => {
    expect(await raw(`${"x".repeat(MAX_LINE_BYTES * 2)}\n`)).toContain("too long");
  });
  test.skipIf(uid !== 0)("refuses another user even where the mode lets it in (needs root)", async () => {
    await exec(["chmod", "755", dir]);
    await exec(["chmod", "666", path]);
    const script = `import socket;s=socket.socket(socket.AF_UNIX);s.connect("${path}");s.sendall(b'{"verb":"project.list","params":{}}\\n');print(s.recv(9999).decode())`;
    const asOther = await exec(["setpriv", "--reuid", "65534", "--clear-groups", "python3", "-c", script]);
    expect(asOther.stdout).toContain("helper.refused");
    expect(asOther.stdout).toContain("65534");
  });
});
