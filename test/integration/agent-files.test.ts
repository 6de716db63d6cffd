/** Trash, copies, search and long lists in a real agent, as a browser asks for them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Peer } from "../../src/conat/peer.ts";
import { pathText } from "../../src/contract/path-bytes.ts";
import { callProject, openProject, readFile, writeFile } from "../../src/contract/project-client.ts";
import { CodedError } from "../../src/core/errors.ts";
import { execOk } from "../../src/core/exec.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";

let lab: AgentLab;
let peer: Peer;
let id: string;
let home: string;
const at = (path: string) => join(home, path);

beforeAll(async () => {
  lab = await startAgent();
  peer = lab.browser();
  id = lab.project_id;
  home = lab.home;
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

async function copy(params: {
  from: string[];
  to: string;
  move?: boolean;
  existing?: "refuse" | "replace" | "keep-both";
}): Promise<string[]> {
  const { stream, onMessage } = await openProject(peer, id, "files.copy", params);
  let paths: string[] | undefined;
  onMessage((message) => {
    if (message.type === "done") paths = message.paths;
  });
  stream.onEnd(() => stream.end());
  await new Promise<void>((resolve, reject) =>
    stream.onClose((error) => (error ? reject(error) : resolve())),
  );
  return paths ?? [];
}

async function find(params: {
  query: string;
  in: "names" | "contents";
  path?: string;
  case_sensitive?: boolean;
  hidden?: boolean;
}) {
  const { stream, onMessage } = await openProject(peer, id, "files.search", { path: ".", ...params });
  const matches: { path: string; line?: number | undefined; text?: string | undefined }[] = [];
  let done: { truncated: boolean; files: number; unreadable: number } | undefined;
  onMessage((message) => {
    if (message.type === "matches") matches.push(...message.matches);
    else done = message;
  });
  stream.onEnd(() => stream.end());
  await new Promise<void>((resolve, reject) =>
    stream.onClose((error) => (error ? reject(error) : resolve())),
  );
  return { matches, done };
}

describe("trash", () => {
  const trash = (...paths: string[]) => callProject(peer, id, "files.trash", { paths });
  const list = async () => (await callProject(peer, id, "files.trash.list", {})).entries;

  test("goes there, is seen, comes back to where it was; names of any bytes too", async () => {
    const odd = pathText(Buffer.from([0x6f, 0xff, 0x0a, 0x2b, 0x25]));
    mkdirSync(at("work/deep"), { recursive: true });
    writeFileSync(at("work/deep/a.txt"), "one");
    await writeFile(peer, id, `work/${odd}`, "odd");
    const { trashed, failed } = await trash("work/deep/a.txt", `work/${odd}`, "work/nothing");
    expect(trashed.map(({ path }) => path)).toEqual([at("work/deep/a.txt"), `${at("work")}/${odd}`]);
    expect(failed.map(({ code }) => code)).toEqual(["file.not-found"]);
    expect(existsSync(at("work/deep/a.txt"))).toBe(false);
    expect((await list()).map(({ path }) => path).sort()).toEqual(
      [at("work/deep/a.txt"), `${at("work")}/${odd}`].sort(),
    );
    // Its folder went too meanwhile.
    await callProject(peer, id, "files.remove", { path: "work", recursive: true });
    const { paths } = await callProject(peer, id, "files.trash.restore", {
      trash_ids: trashed.map(({ trash_id }) => trash_id),
    });
    expect(paths.length).toBe(2);
    expect(readFileSync(at("work/deep/a.txt"), "utf8")).toBe("one");
    expect(new TextDecoder().decode((await readFile(peer, id, `work/${odd}`)).bytes)).toBe("odd");
    expect(await list()).toEqual([]);
  });

  test("ten of one name live side by side; coming back never writes over what is there now", async () => {
    for (let n = 0; n < 10; n++) {
      writeFileSync(at("same.txt"), `${n}`);
      await trash("same.txt");
    }
    writeFileSync(at("same.txt"), "new");
    const all = await list();
    expect(all.length).toBe(10);
    const trash_ids = [all[0]?.trash_id ?? ""];
    expect(await codeOf(callProject(peer, id, "files.trash.restore", { trash_ids }))).toBe("file.exists");
    expect(readFileSync(at("same.txt"), "utf8")).toBe("new");
    const { paths } = await callProject(peer, id, "files.trash.restore", { trash_ids, keep_both: true });
    expect(paths).toEqual([at("same (2).txt")]);
    expect(await callProject(peer, id, "files.trash.empty", {})).toEqual({ removed: 9 });
    expect(await list()).toEqual([]);
    expect(readdirSync(at(".local/share/Trash/info"))).toEqual([]);
  });

  test("neither home nor the trash itself; an id is a name and no way out", async () => {
    const { failed } = await trash(
      "/",
      ".",
      "..",
      ".local/share/Trash",
      ".local/share",
      ".local/share/Trash/files",
    );
    expect(failed.map(({ code }) => code)).toEqual([
      "file.is-home",
      "file.is-home",
      "file.is-home",
      "trash.is-trash",
      "trash.is-trash",
      "trash.is-trash",
    ]);
    for (const bad of ["..", "../x", "/etc/passwd"]) {
      expect(await codeOf(callProject(peer, id, "files.trash.empty", { trash_ids: [bad] }))).toBe(
        "trash.bad-id",
      );
      expect(await codeOf(callProject(peer, id, "files.trash.restore", { trash_ids: [bad] }))).toBe(
        "trash.bad-id",
      );
    }
  });
});

describe("copy and move", () => {
  test("a tree with links, modes and times; twice beside itself; over what is there", async () => {
    mkdirSync(at("src/locked"), { recursive: true });
    writeFileSync(at("src/locked/x"), "x");
    writeFileSync(at("src/run.sh"), "#!");
    chmodSync(at("src/run.sh"), 0o751);
    symlinkSync("/nowhere", at("src/dangling"));
    chmodSync(at("src/locked"), 0o555);
    mkdirSync(at("dst"));
    expect(await copy({ from: ["src"], to: "dst" })).toEqual([at("dst/src")]);
    expect(statSync(at("dst/src/run.sh")).mode & 0o777).toBe(0o751);
    expect(statSync(at("dst/src/locked")).mode & 0o777).toBe(0o555);
    expect(readlinkSync(at("dst/src/dangling"))).toBe("/nowhere");
    expect(statSync(at("dst/src/run.sh")).mtimeMs).toBeCloseTo(statSync(at("src/run.sh")).mtimeMs, 1);
    expect(await codeOf(copy({ from: ["src"], to: "dst" }))).toBe("file.exists");
    expect(await copy({ from: ["src"], to: ".", existing: "keep-both" })).toEqual([at("src (2)")]);
    writeFileSync(at("src/run.sh"), "second");
    await copy({ from: ["src"], to: "dst", existing: "replace" });
    expect(readFileSync(at("dst/src/run.sh"), "utf8")).toBe("second");
    expect(readdirSync(at("dst"))).toEqual(["src"]);
    expect(await codeOf(copy({ from: ["src"], to: "src/locked" }))).toBe("file.into-itself");
  });

  test("a move within a file system is a rename, onto another one a copy that is whole before the first goes", async () => {
    writeFileSync(at("m.txt"), "m");
    const inode = statSync(at("m.txt")).ino;
    mkdirSync(at("there"), { recursive: true });
    await copy({ from: ["m.txt"], to: "there", move: true });
    expect(statSync(at("there/m.txt")).ino).toBe(inode);
    writeFileSync(at("m.txt"), "again");
    expect(await codeOf(copy({ from: ["m.txt"], to: "there", move: true }))).toBe("file.exists");
    expect(existsSync(at("m.txt"))).toBe(true);
    const shm = `/dev/shm/cc-copy-${process.pid}`;
    mkdirSync(shm);
    try {
      await copy({ from: ["m.txt"], to: shm, move: true });
      expect(readFileSync(join(shm, "m.txt"), "utf8")).toBe("again");
      expect(existsSync(at("m.txt"))).toBe(false);
    } finally {
      await Bun.$`rm -rf ${shm}`;
    }
  });
});

describe("search", () => {
  test("by name and by content, with lines; binaries and hidden files are left out", async () => {
    mkdirSync(at("s/.git"), { recursive: true });
    writeFileSync(at("s/Notes.md"), "first\nThe Needle is here\r\n");
    writeFileSync(at("s/.git/needle"), "needle");
    writeFileSync(at("s/blob"), Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from("needle")]));
    const names = await find({ path: "s", query: "NOTES", in: "names" });
    expect(names.matches.map(({ path }) => path)).toEqual([at("s/Notes.md")]);
    expect((await find({ path: "s", query: "needle", in: "names" })).matches).toEqual([]);
    expect((await find({ path: "s", query: "needle", in: "names", hidden: true })).matches.length).toBe(1);
    const contents = await find({ path: "s", query: "needle", in: "contents" });
    expect(contents.matches.map(({ path, line, text }) => ({ path, line, text: text?.trimEnd() }))).toEqual([
      { path: at("s/Notes.md"), line: 2, text: "The Needle is here" },
    ]);
    expect(contents.done?.truncated).toBe(false);
    expect(
      (await find({ path: "s", query: "needle", in: "contents", case_sensitive: true })).matches,
    ).toEqual([]);
    expect(await codeOf(find({ path: "s/nothing", query: "x", in: "names" }))).toBe("file.not-found");
  });

  test("what is asked for is text, never a pattern or an option", async () => {
    mkdirSync(at("q"));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }), async (query) => {
        writeFileSync(at("q/f.txt"), `before\n${query}\nafter\n`);
        const { matches } = await find({ path: "q", query, in: "contents", case_sensitive: true });
        expect(matches.some(({ line }) => line === 2)).toBe(true);
      }),
      { numRuns: 30, examples: [["--files"], [".*"], ["(["], ["-e"]] },
    );
  });

  test("it is bounded, and ends when it is ended", async () => {
    mkdirSync(at("many"));
    for (let n = 0; n < 3000; n++) writeFileSync(at(`many/hit-${n}`), "");
    const { matches, done } = await find({ path: "many", query: "hit", in: "names" });
    expect({ count: matches.length, truncated: done?.truncated }).toEqual({ count: 2000, truncated: true });
    const { stream } = await openProject(peer, id, "files.search", { path: "/", query: "zzzz", in: "names" });
    stream.onData(() => {});
    const closed = new Promise<void>((resolve) => stream.onClose(() => resolve()));
    stream.end();
    await closed;
    expect((await callProject(peer, id, "hello", {})).home).toBe(home);
  });
});

test("a directory of 100,000 entries: any page of it comes quickly, folders first, and nothing grows", async () => {
  // In memory: the disk would take longer to make it than the agent to list it.
  const big = `/dev/shm/cc-big-${process.pid}`;
  mkdirSync(big);
  try {
    await listed(big);
  } finally {
    await execOk(["rm", "-rf", big]);
  }
}, 60_000);

async function listed(big: string): Promise<void> {
  await execOk(["sh", "-c", "seq -f f%.0f 1 99990 | xargs touch; mkdir d1 d2 d3 d4 d5 d6 d7 d8 d9 d10"], {
    cwd: big,
  });
  const page = (offset: number) =>
    callProject(peer, id, "files.list", { path: big, offset, limit: 200, order: "folders" });
  const first = await page(0);
  expect(first.total).toBe(100_000);
  expect(first.entries.slice(0, 11).map(({ name }) => name)).toEqual([
    "d1",
    "d2",
    "d3",
    "d4",
    "d5",
    "d6",
    "d7",
    "d8",
    "d9",
    "d10",
    "f1",
  ]);
  const began = performance.now();
  for (const offset of [50_000, 99_800, 10, 70_000]) expect((await page(offset)).entries.length).toBe(200);
  const each = (performance.now() - began) / 4;
  // Once it is known, a page costs its own entries alone: far from the half second that reading all takes.
  expect(each).toBeLessThan(250);
  expect((await page(99_990)).entries.at(-1)?.name).toBe("f99990");
  writeFileSync(join(big, "f99991"), "");
  await Bun.sleep(60);
  expect((await page(0)).total).toBe(100_001);
  expect(await lab.rss()).toBeLessThan(300 * 2 ** 20);
}
