/** A file in a real agent that goes away, or whose agent, page or network breaks, while people edit it: nothing that anybody typed is lost. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import * as Y from "yjs";
import { EDIT_FRAME, encodeEditFrame } from "../../src/contract/editing/frames.ts";
import { callProject, openProject } from "../../src/contract/project-client.ts";
import { MAX_EDIT_BYTES } from "../../src/contract/project-services.ts";
import { browserStore } from "../fixtures/edit-page.ts";
import { editingLab } from "../fixtures/editing-lab.ts";

setDefaultTimeout(90_000);
const { lab, at, onDisk, page, until, ready, saved, codeOf } = editingLab();

describe("when it goes away", () => {
  test("somebody's rename or move is told to the others, and what all typed is in the file", async () => {
    mkdirSync(at("shelf"));
    mkdirSync(at("attic"));
    writeFileSync(at("shelf/a.txt"), "text\n");
    const [ada, ben] = [page("shelf/a.txt"), page("shelf/a.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    ada.type("text", "text, typed just before");
    await until("it is kept", () => ada.state().unkept === 0);
    await callProject(ben.peer(), lab().project_id, "files.rename", { from: "shelf", to: "board" });
    await until("both are told", () => [ada, ben].every((one) => one.moved.at(-1) === "board/a.txt"));
    ben.type("text", "a text");
    await until("it is kept", () => ben.state().unkept === 0);
    const move = await openProject(ben.peer(), lab().project_id, "files.copy", {
      from: ["board/a.txt"],
      to: "attic",
      move: true,
    });
    move.stream.onEnd(() => move.stream.end());
    await new Promise((resolve) => move.stream.onClose(resolve));
    await until("both are told", () => [ada, ben].every((one) => one.moved.at(-1) === "attic/a.txt"));
    await until("all of it is there", () => onDisk("attic/a.txt") === "a text, typed just before\n");
    expect(existsSync(at("board/a.txt"))).toBe(false);
  });

  test("a viewer does not follow it to where nothing was marked", async () => {
    mkdirSync(at("open"));
    writeFileSync(at("open/b.txt"), "for all\n");
    const ada = page("open/b.txt");
    await ready(ada);
    const stream = await lab()
      .browser("Vic")
      .openStream(`project.${lab().project_id}.shared.edit`, {
        path: "open/b.txt",
        client: 9,
        roots: ["open"],
      });
    const ended = new Promise((resolve) => stream.onClose(resolve));
    stream.onData(() => {});
    stream.onEnd(() => stream.end());
    await callProject(ada.peer(), lab().project_id, "files.rename", { from: "open/b.txt", to: "closed.txt" });
    await ended;
    await until("Ada is told", () => ada.moved.at(-1) === "closed.txt");
  });

  test("what is typed is in what goes to the trash; saved anew, its folder is made too", async () => {
    mkdirSync(at("bin"));
    writeFileSync(at("bin/c.txt"), "old\n");
    const ada = page("bin/c.txt");
    await ready(ada);
    ada.type("old", "new");
    await until("it is kept", () => ada.state().unkept === 0);
    const { trashed } = await callProject(ada.peer(), lab().project_id, "files.trash", { paths: ["bin"] });
    await until("it is said", () => ada.state().gone);
    ada.link.save(true);
    await until("it is there again", () => existsSync(at("bin/c.txt")) && onDisk("bin/c.txt") === "new\n");
    rmSync(at("bin"), { recursive: true });
    const trash_ids = trashed.map((one) => one.trash_id);
    await callProject(ada.peer(), lab().project_id, "files.trash.restore", { trash_ids });
    expect(onDisk("bin/c.txt")).toBe("new\n");
  });

  test("a folder in its place is said, and left alone; out of the way, the text goes back into a file", async () => {
    writeFileSync(at("place.txt"), "text\n");
    const ada = page("place.txt");
    await ready(ada);
    rmSync(at("place.txt"));
    mkdirSync(at("place.txt"));
    await until("it is said", () => ada.state().problem?.code === "file.is-a-folder");
    ada.type("text", "text, kept");
    await until("it is kept", () => ada.state().unkept === 0);
    ada.link.save(true);
    await Bun.sleep(500);
    expect(ada.state().problem?.code).toBe("file.is-a-folder");
    expect(readdirSync(at("place.txt"))).toEqual([]);
    renameSync(at("place.txt"), at("folder-of-theirs"));
    await until("the file is gone", () => ada.state().gone);
    ada.link.save(true);
    await saved(ada);
    expect(onDisk("place.txt")).toBe("text, kept\n");
  });

  test("gone while somebody was offline and nobody held it: what they typed makes it anew", async () => {
    writeFileSync(at("left.txt"), "text\n");
    const ada = page("left.txt");
    await ready(ada);
    ada.offline(true);
    await until("it is noticed", () => !ada.state().live);
    ada.type("text", "text, typed offline");
    await lab().restart("SIGTERM", () => rmSync(at("left.txt")));
    ada.offline(false);
    await until("it is said", () => codeOf(ada.state().error) === "file.not-found");
    await ada.link.makeAnew();
    await saved(ada);
    expect(onDisk("left.txt")).toBe("text, typed offline\n");
    expect(ada.link.text).toBe("text, typed offline\n");
  });
});

describe("when something breaks", () => {
  test("offline for a while: both sides go on, and what they made is merged", async () => {
    writeFileSync(at("away.txt"), "one\ntwo\nthree\n");
    const [ada, ben] = [page("away.txt"), page("away.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    ada.offline(true);
    await until("it is noticed", () => !ada.state().live);
    ada.type("one", "one, typed offline");
    ben.type("three", "three, typed meanwhile");
    await saved(ben);
    appendFileSync(at("away.txt"), "and a program\n");
    expect(ada.state()).toMatchObject({ unkept: 1, unsaved: 1 });
    ada.offline(false);
    await saved(ada);
    await until("they agree", () => ada.link.text === ben.link.text && /program/.test(ben.link.text));
    await saved(ben);
    expect(onDisk("away.txt")).toBe("one, typed offline\ntwo\nthree, typed meanwhile\nand a program\n");
  });

  test("a page that is reloaded while offline finds in the browser what it had typed", async () => {
    writeFileSync(at("draft.txt"), "start\n");
    const storage = browserStore();
    const before = page("draft.txt", { storage });
    await ready(before);
    before.offline(true);
    await until("it is noticed", () => !before.state().live);
    before.type("start", "start and more");
    before.link.close();
    appendFileSync(at("draft.txt"), "a program's\n");
    expect(storage.length).toBe(1);
    const after = page("draft.txt", { storage });
    await ready(after);
    await until("both are there", () => after.link.text === "start and more\na program's\n");
    await saved(after);
    expect(onDisk("draft.txt")).toBe("start and more\na program's\n");
    await until("the draft is dropped", () => storage.length === 0);
  });

  test("the agent is killed: what it acknowledged is in the file after its next start, asked or not", async () => {
    writeFileSync(at("killed.txt"), "safe\n");
    const ada = page("killed.txt");
    await ready(ada);
    ada.type("safe", "safe and kept");
    await until("it is kept", () => ada.state().unkept === 0);
    ada.link.close();
    await lab().restart("SIGKILL");
    await until("it is written", () => onDisk("killed.txt") === "safe and kept\n");
  });

  test("killed while two type and a program writes: they go on with the same text, and nothing is doubled", async () => {
    writeFileSync(at("crash.txt"), "base\n");
    writeFileSync(at("untouched.txt"), "as it was\n");
    const [ada, ben, idle] = [page("crash.txt"), page("crash.txt", { name: "Ben" }), page("untouched.txt")];
    await Promise.all([ready(ada), ready(ben), ready(idle)]);
    ada.type("base", "base a1");
    ben.type("base", "b1 base");
    await until("they agree", () => ada.link.text === ben.link.text && /b1 base a1/.test(ada.link.text));
    ada.type("a1", "a1 a2");
    await lab().restart("SIGKILL", () => {
      ada.offline(true);
      ben.offline(true);
      idle.offline(true);
      ada.type("a2", "a2 a3");
      ben.type("b1", "b0 b1");
      idle.type("as it was", "as it was, and more");
      appendFileSync(at("crash.txt"), "disk\n");
    });
    for (const one of [ada, ben, idle]) one.offline(false);
    await Promise.all([saved(ada), saved(ben), saved(idle)]);
    await until("they agree", () => ada.link.text === ben.link.text);
    expect(ada.link.text).toBe("b0 b1 base a1 a2 a3\ndisk\n");
    await until("the file too", () => onDisk("crash.txt") === ada.link.text);
    await until("the other too", () => onDisk("untouched.txt") === "as it was, and more\n");
    expect(idle.link.text).toBe("as it was, and more\n");
  });

  test("a project that is stopped writes first, and leaves nothing in the user's folders", async () => {
    mkdirSync(at("tidy"));
    writeFileSync(at("tidy/last.txt"), "last\n");
    const ada = page("tidy/last.txt");
    await ready(ada);
    ada.type("last", "last word");
    await until("it is kept", () => ada.state().unkept === 0);
    await lab().restart("SIGTERM", () => expect(onDisk("tidy/last.txt")).toBe("last word\n"));
    expect(readdirSync(at("tidy"))).toEqual(["last.txt"]);
    ada.offline(true);
    ada.offline(false);
    await saved(ada);
    expect(ada.link.text).toBe("last word\n");
  });

  test("a document that the agent no longer knows is merged as text", async () => {
    writeFileSync(at("forgot.txt"), "one\ntwo\n");
    const ada = page("forgot.txt");
    await ready(ada);
    ada.type("one", "one!");
    await saved(ada);
    await lab().restart("SIGTERM", () => {
      ada.offline(true);
      ada.type("two", "two, offline");
      rmSync(at(".local/share/cocalc/editing"), { recursive: true, force: true });
      writeFileSync(at("forgot.txt"), "zero\none!\ntwo\n");
    });
    ada.offline(false);
    await saved(ada);
    await until("merged", () => onDisk("forgot.txt") === "zero\none!\ntwo, offline\n");
    expect(ada.link.text).toBe("zero\none!\ntwo, offline\n");
  });
});

describe("bad input", () => {
  test("what is no text, too large, missing or no file says so", async () => {
    writeFileSync(at("blob.bin"), new Uint8Array([0xff, 0xfe, 0]));
    writeFileSync(at("large.txt"), "x".repeat(MAX_EDIT_BYTES + 1));
    mkdirSync(at("folder"));
    const open = async (path: string) => {
      try {
        await openProject(lab().browser(), lab().project_id, "files.edit", { path, client: 1 });
      } catch (error) {
        return codeOf(error);
      }
      return "opened";
    };
    expect(await open("blob.bin")).toBe("file.binary");
    expect(await open("large.txt")).toBe("file.too-large");
    expect(await open("nothing.txt")).toBe("file.not-found");
    expect(await open("folder")).toBe("file.is-a-folder");
  });

  test("a hostile page is cut off, and the others go on", async () => {
    writeFileSync(at("hostile.txt"), "good\n");
    const ada = page("hostile.txt");
    await ready(ada);
    const send = async (bytes: Uint8Array, have?: { doc_id: string; vector: string }) => {
      const { stream } = await openProject(lab().browser(), lab().project_id, "files.edit", {
        path: "hostile.txt",
        client: 5,
        ...(have ? { have } : {}),
      });
      const closed = new Promise((resolve) => stream.onClose((error) => resolve(codeOf(error))));
      stream.onData(() => {});
      stream.write(bytes).catch(() => {});
      return await closed;
    };
    expect(await send(encodeEditFrame(EDIT_FRAME.UPDATE, new Uint8Array([7, 7, 7])))).toBe("edit.malformed");
    expect(await send(new Uint8Array([255, 255, 255, 255, 1]))).toBe("edit.malformed");
    expect(await send(new Uint8Array([0, 0, 0, 0, 99]))).toBe("edit.malformed");
    const map = new Y.Doc();
    map.getMap("text2").set("a", "b");
    expect(await send(encodeEditFrame(EDIT_FRAME.UPDATE, Y.encodeStateAsUpdate(map)))).toBe("edit.malformed");
    ada.type("good", "still good");
    await saved(ada);
    expect(onDisk("hostile.txt")).toBe("still good\n");
  });

  test("a file of the largest size is edited by two, and what is pasted into it is kept", async () => {
    const line = `${"0123456789".repeat(7)}\n`;
    const text = line.repeat(Math.floor((MAX_EDIT_BYTES - 2_000_000) / line.length));
    writeFileSync(at("big.txt"), text);
    const [ada, ben] = [page("big.txt"), page("big.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    expect(ada.link.text.length).toBe(text.length);
    ada.doc().getText("text").insert(0, "pasted ".repeat(200_000));
    ben.doc().getText("text").insert(ben.link.text.length, "at the end\n");
    await Promise.all([saved(ada), saved(ben)]);
    await until("the disk has both", () => onDisk("big.txt").endsWith("at the end\n"));
    expect(onDisk("big.txt").length).toBe(text.length + 7 * 200_000 + 11);
  }, 60_000);
});
