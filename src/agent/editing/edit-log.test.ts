import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Y from "yjs";
import { changeText, copyOf, docOf, textOf } from "../../contract/editing/text-doc.ts";
import { EditLog, type KnownFile, type Logged, readLog } from "./edit-log.ts";
import { unsavedMark } from "./paths.ts";
import { SharedDoc } from "./shared-doc.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "edit-log-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const known = (etag: string): KnownFile => ({ etag, bom: false, ending: "\n" });
const logged = (text: string): Logged => ({
  path: "/home/a.txt",
  doc_id: "d",
  shared: new SharedDoc(docOf(text, 1)),
  file: known("e0"),
});
const texts = (log: Logged | undefined) => log && [log.shared.text, textOf(log.shared.disk), log.file.etag];

function type(log: EditLog, shared: SharedDoc, text: string): void {
  const page = copyOf(shared.people);
  const before = Y.encodeStateVector(page);
  changeText(page, text);
  const update = Y.encodeStateAsUpdate(page, before);
  log.unsaved();
  log.update(update);
  shared.take(update, "ada");
}

test("what was kept, what was written and what another program wrote come back apart", () => {
  const file = join(dir, "a");
  const of = logged("one\n");
  const log = new EditLog(file);
  log.rewrite(of);
  expect(texts(readLog(file))).toEqual(["one\n", "one\n", "e0"]);
  type(log, of.shared, "one\ntwo\n");
  expect(existsSync(unsavedMark(file))).toBe(true);
  const snapshot = of.shared.snapshot();
  const at = log.size;
  type(log, of.shared, "one\ntwo\nthree\n");
  of.shared.written(snapshot);
  log.file(known("e1"), at);
  expect(texts(readLog(file))).toEqual(["one\ntwo\nthree\n", "one\ntwo\n", "e1"]);
  log.disk(of.shared.fromDisk("zero\none\ntwo\n", "disk")!);
  log.file(known("e2"));
  expect(texts(readLog(file))).toEqual(["zero\none\ntwo\nthree\n", "zero\none\ntwo\n", "e2"]);
  log.rewrite({ ...of, file: known("e2") });
  expect(texts(readLog(file))).toEqual(["zero\none\ntwo\nthree\n", "zero\none\ntwo\n", "e2"]);
  log.saved();
  log.close();
  expect(existsSync(unsavedMark(file))).toBe(false);
});

test("cut at any byte it gives what was whole before the cut", () => {
  const file = join(dir, "b");
  const of = logged("x\n");
  const log = new EditLog(file);
  log.rewrite(of);
  const start = log.size;
  const ends: number[] = [];
  for (const text of ["x1\n", "x12\n", "x123\n"]) {
    type(log, of.shared, text);
    ends.push(log.size);
  }
  log.close();
  const whole = readFileSync(file);
  for (let cut = start; cut <= whole.length; cut++) {
    writeFileSync(file, whole);
    truncateSync(file, cut);
    const count = ends.filter((end) => end <= cut).length;
    expect(readLog(file)?.shared.text).toBe(`x${"123".slice(0, count)}\n`);
  }
});

test("what is no log is put aside, and no log is none", () => {
  const file = join(dir, "c");
  expect(readLog(file)).toBeUndefined();
  writeFileSync(file, "not a log at all");
  expect(readLog(file)).toBeUndefined();
  expect(readFileSync(`${file}.damaged`, "utf8")).toBe("not a log at all");
  const log = new EditLog(file);
  log.rewrite(logged("text"));
  const bytes = readFileSync(file);
  log.close();
  bytes[9] = 0x21;
  writeFileSync(file, bytes);
  expect(readLog(file)).toBeUndefined();
});

test("it asks to be written anew once it grew by more than it is worth", () => {
  const file = join(dir, "d");
  const of = logged("");
  const log = new EditLog(file);
  log.rewrite(of);
  for (let n = 0; n < 12; n++) type(log, of.shared, `${n}`.repeat(100_000));
  expect(log.wantsRewrite).toBe(true);
  log.rewrite(of);
  expect(log.wantsRewrite).toBe(false);
  expect(log.size).toBeLessThan(300_000);
  log.close();
});
