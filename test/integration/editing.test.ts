/** People editing one file in a real agent, each with the page's own half of it: what anybody typed or wrote is there in the end. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import * as Y from "yjs";
import { EDIT_FRAME, encodeEditFrame } from "../../src/contract/editing/frames.ts";
import { callProject, openProject } from "../../src/contract/project-client.ts";
import { asViewer, sharedStreams } from "../../src/contract/project-services/shared.ts";
import { MAX_EDIT_BYTES } from "../../src/contract/project-services.ts";
import { CodedError } from "../../src/core/errors.ts";
import { EditLink } from "../../src/web/project/editing/edit-link.ts";
import { type AgentLab, startAgent } from "../fixtures/agent-lab.ts";
import { browserStore, type EditPage, editPages } from "../fixtures/edit-page.ts";

setDefaultTimeout(90_000);
let lab: AgentLab;
const at = (path: string) => join(lab.home, path);
const onDisk = (path: string) => readFileSync(at(path), "utf8");

beforeAll(async () => {
  lab = await startAgent();
});
afterAll(async () => {
  for (const link of links) link.close();
  await lab.stop();
});

const { page, until, ready, saved, links } = editPages(() => lab);
const codeOf = (error: unknown) => (error instanceof CodedError ? error.code : error);

describe("together", () => {
  test("two type at the same time; both see all of it, and so does the disk", async () => {
    writeFileSync(at("two.txt"), "middle\n");
    const [ada, ben] = [page("two.txt"), page("two.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    for (let n = 0; n < 20; n++) {
      ada.type("middle", `a${n} middle`);
      ben.type("middle\n", `middle\nb${n}\n`);
      if (n % 5 === 0) await Bun.sleep(20);
    }
    await until("both have the same", () => ada.link.text === ben.link.text && /b0\n/.test(ada.link.text));
    await Promise.all([saved(ada), saved(ben)]);
    const text = onDisk("two.txt");
    expect(text).toBe(ada.link.text);
    for (let n = 0; n < 20; n++)
      expect([text.includes(`a${n} `), text.includes(`b${n}\n`)]).toEqual([true, true]);
  });

  test("each sees who else is there and where, until they leave", async () => {
    writeFileSync(at("here.txt"), "hello world\n");
    const [ada, ben] = [page("here.txt"), page("here.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    await until("Ada sees Ben", () => ada.state().others.some(({ name }) => name === "Ben"));
    const text = ben.doc().getText("text");
    ben.cursors().setLocalStateField("cursor", {
      anchor: Y.createRelativePositionFromTypeIndex(text, 6),
      head: Y.createRelativePositionFromTypeIndex(text, 11),
    });
    const cursorOfBen = () => {
      const state = [...ada.cursors().getStates().values()].find(({ user }) => user.name === "Ben");
      return (
        state?.cursor &&
        Y.createAbsolutePositionFromRelativePosition(
          Y.createRelativePositionFromJSON(state.cursor.head),
          ada.doc(),
        )?.index
      );
    };
    await until("Ada sees his cursor", () => cursorOfBen() === 11);
    ada.type("hello", "well, hello");
    expect(cursorOfBen()).toBe(17);
    ben.link.close();
    await until("he is gone", () => ada.state().others.length === 0);
  });

  test("a page that says it is somebody else is seen as who it is, and takes nobody's place", async () => {
    writeFileSync(at("lies.txt"), "hello world\n");
    const [ada, ben] = [page("lies.txt"), page("lies.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    const names = (one: EditPage) => [...one.cursors().getStates().values()].map(({ user }) => user.name);
    await until("they see each other", () => names(ada).join() === "Ben" && names(ben).join() === "Ada");
    const peer = lab.browser("Mallory");
    const claim = { account_id: "Ben", name: "Ben" };
    const stream = await peer.openStream(`project.${lab.project_id}.files.edit`, {
      path: "lies.txt",
      client: ben.doc().clientID,
      person: claim,
    });
    stream.sendMessage({ type: "here", person: claim, who: 1, cursor: null });
    await until("Ada sees her", () => names(ada).toSorted().join() === "Ben,Mallory");
    await until("Ben sees her too", () => names(ben).toSorted().join() === "Ada,Mallory");
    expect(
      ada
        .state()
        .others.map((one) => one.account_id)
        .toSorted(),
    ).toEqual(["Ben", "Mallory"]);
    const text = ben.doc().getText("text");
    const place = Y.createRelativePositionFromTypeIndex(text, 6);
    ben.cursors().setLocalStateField("cursor", { anchor: place, head: place });
    await until("Ben's cursor is Ben's", () =>
      [...ada.cursors().getStates().values()].some(
        ({ user, cursor }) => user.name === "Ben" && cursor !== null,
      ),
    );
    stream.end();
    await until("she is gone, and Ben is not", () => names(ada).join() === "Ben");
    ben.type("hello", "well, hello");
    await saved(ben);
    expect(onDisk("lies.txt")).toBe("well, hello world\n");
  });

  test("a page that comes again before its old line broke is there once", async () => {
    writeFileSync(at("again.txt"), "hello\n");
    const [ada, ben] = [page("again.txt"), page("again.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    const seen = () => [...ada.cursors().getStates().values()].map(({ user }) => user.name);
    await until("Ada sees Ben", () => seen().join() === "Ben");
    const open = async () => {
      const line = await openProject(lab.browser("Cy"), lab.project_id, "files.edit", {
        path: "again.txt",
        client: 7,
      });
      line.send({ type: "here", cursor: null });
      return line;
    };
    const first = await open();
    const ended = new Promise((resolve) => first.stream.onClose((error) => resolve(codeOf(error))));
    await until("Cy is there", () => seen().toSorted().join() === "Ben,Cy");
    const second = await open();
    expect(await ended).toBe("edit.replaced");
    await until("once", () => seen().toSorted().join() === "Ben,Cy");
    second.stream.end();
    await until("Cy is gone", () => seen().join() === "Ben");
  });

  test("line endings, mark, mode and links stay; a hard link stays one", async () => {
    writeFileSync(at("dos.txt"), "\ufeffone\r\ntwo\r\n");
    chmodSync(at("dos.txt"), 0o640);
    symlinkSync("dos.txt", at("alias.txt"));
    const ada = page("alias.txt");
    await ready(ada);
    expect(ada.link.text).toBe("one\ntwo\n");
    ada.type("two\n", "two\nthree\n");
    await saved(ada);
    expect(onDisk("dos.txt")).toBe("\ufeffone\r\ntwo\r\nthree\r\n");
    expect(statSync(at("dos.txt")).mode & 0o777).toBe(0o640);
    const { ino } = statSync(at("dos.txt"));
    linkSync(at("dos.txt"), at("hard.txt"));
    ada.type("one", "ONE");
    await saved(ada);
    expect(statSync(at("hard.txt")).ino).toBe(ino);
    expect(onDisk("hard.txt")).toBe("\ufeffONE\r\ntwo\r\nthree\r\n");
  });

  test.skipIf(process.getuid?.() !== 0)("the owner stays (needs root)", async () => {
    writeFileSync(at("owned.txt"), "theirs\n");
    chownSync(at("owned.txt"), 12_345, 23_456);
    const ada = page("owned.txt");
    await ready(ada);
    ada.type("theirs", "still theirs");
    await saved(ada);
    const { uid, gid } = statSync(at("owned.txt"));
    expect({ uid, gid, text: onDisk("owned.txt") }).toEqual({
      uid: 12_345,
      gid: 23_456,
      text: "still theirs\n",
    });
  });

  test("a viewer sees it live and changes nothing", async () => {
    mkdirSync(at("course"));
    writeFileSync(at("course/task.md"), "Read chapter one\n");
    const ada = page("course/task.md");
    await ready(ada);
    const peer = lab.browser();
    const { roots: _, ...params } = { path: "course/task.md", client: 77, roots: ["course"] };
    // What its host does with it: the marked folders beside the question.
    const viewer = asViewer({
      request: (...args) => peer.request(...args),
      publish: (...args) => peer.publish(...args),
      subscribe: (...args) => peer.subscribe(...args),
      openStream: (subject, asked) =>
        peer.openStream(
          subject.replace(".view.", ".shared."),
          sharedStreams["shared.edit"].params.parse({ ...(asked as object), roots: ["course"] }),
        ),
    });
    const watching = new EditLink({
      caller: viewer,
      projectId: lab.project_id,
      path: params.path,
      watching: true,
      storage: browserStore(),
      onState: () => {},
      onDoc: () => {},
    });
    links.push(watching);
    await until("the viewer has it", () => watching.text === "Read chapter one\n");
    expect(watching.state.writable).toBe(false);
    ada.type("one", "two");
    await until("the viewer sees it", () => watching.text === "Read chapter two\n");
    const { stream } = await openProject(viewer, lab.project_id, "files.edit", params);
    const theirs = new Y.Doc();
    theirs.getText("text").insert(0, "defaced");
    await stream.write(encodeEditFrame(EDIT_FRAME.UPDATE, Y.encodeStateAsUpdate(theirs)));
    stream.sendMessage({ type: "save", over: true });
    ada.type("Read", "Please read");
    await saved(ada);
    expect(onDisk("course/task.md")).toBe("Please read chapter two\n");
    const outside = openProject(viewer, lab.project_id, "files.edit", { path: "two.txt", client: 1 });
    expect(await outside.then(() => "opened", codeOf)).toBe("file.not-found");
  });
});

describe("with other programs", () => {
  test("what they append, rewrite and put in its place is merged with what is typed", async () => {
    writeFileSync(at("log.md"), "# notes\n\nend\n");
    const ada = page("log.md");
    await ready(ada);
    ada.type("# notes", "# my notes");
    appendFileSync(at("log.md"), "appended\n");
    await until("it is shown", () => ada.link.text.includes("appended"));
    await saved(ada);
    expect(onDisk("log.md")).toBe("# my notes\n\nend\nappended\n");
    ada.type("end", "end of it");
    writeFileSync(at("log.md.new"), "# my notes\n\nmore\nend\nappended\n");
    renameSync(at("log.md.new"), at("log.md"));
    await until("both are there", () => /more\n/.test(ada.link.text) && /end of it\n/.test(ada.link.text));
    await saved(ada);
    expect(onDisk("log.md")).toBe("# my notes\n\nmore\nend of it\nappended\n");
  });

  test("a program that had it open while it was saved loses no line", async () => {
    writeFileSync(at("held.log"), "start\n");
    const ada = page("held.log");
    await ready(ada);
    const fd = openSync(at("held.log"), "a");
    ada.type("start", "started");
    await until("it is written", () => onDisk("held.log").startsWith("started"));
    writeSync(fd, "from the program\n");
    await until("its line is there", () => onDisk("held.log") === "started\nfrom the program\n");
    expect(ada.link.text).toBe("started\nfrom the program\n");
  });

  test("lines that a program appends as fast as somebody types are all there", async () => {
    writeFileSync(at("race.txt"), "");
    const ada = page("race.txt");
    await ready(ada);
    for (let n = 0; n < 30; n++) {
      appendFileSync(at("race.txt"), `program ${n};\n`);
      const text = ada.doc().getText("text");
      text.insert(0, `typed ${n};\n`);
      await Bun.sleep(60);
    }
    await until("all came in", () => ada.link.text.includes("program 29;"));
    await saved(ada);
    await until("the disk has what is shown", () => onDisk("race.txt") === ada.link.text);
    const text = onDisk("race.txt");
    const lost = Array.from({ length: 30 }, (_, n) => n).filter(
      (n) => !text.includes(`program ${n};`) || !text.includes(`typed ${n};`),
    );
    expect(lost).toEqual([]);
  });

  test("a file that is removed is not made anew unasked; one that is no text is left alone", async () => {
    writeFileSync(at("gone.txt"), "here\n");
    const ada = page("gone.txt");
    await ready(ada);
    rmSync(at("gone.txt"));
    await until("it is said", () => ada.state().gone);
    ada.type("here", "still here");
    await until("it is kept", () => ada.state().unkept === 0 && ada.state().dirty);
    ada.link.save();
    await Bun.sleep(300);
    expect(existsSync(at("gone.txt"))).toBe(false);
    ada.link.save(true);
    await saved(ada);
    expect(onDisk("gone.txt")).toBe("still here\n");
    writeFileSync(at("gone.txt"), new Uint8Array([1, 0, 2]));
    await until("it is said", () => ada.state().problem?.code === "file.binary");
    ada.type("still", "yet still");
    await Bun.sleep(1500);
    expect(statSync(at("gone.txt")).size).toBe(3);
    ada.link.save(true);
    await saved(ada);
    expect(onDisk("gone.txt")).toBe("yet still here\n");
  });

  test("a rename in the page takes what is being typed along", async () => {
    mkdirSync(at("old"));
    writeFileSync(at("old/a.txt"), "text\n");
    const ada = page("old/a.txt");
    await ready(ada);
    ada.type("text", "typed just before");
    await callProject(ada.peer(), lab.project_id, "files.rename", { from: "old", to: "new" });
    const ben = page("new/a.txt", { name: "Ben" });
    await ready(ben);
    await until("he has it", () => ben.link.text === "typed just before\n");
    ada.type("before", "before and after");
    await saved(ben);
    await until("it is in the file", () => onDisk("new/a.txt") === "typed just before and after\n");
    expect(existsSync(at("old"))).toBe(false);
  });
});

describe("when it goes away", () => {
  test("somebody's rename or move is told to the others, and what all typed is in the file", async () => {
    mkdirSync(at("shelf"));
    mkdirSync(at("attic"));
    writeFileSync(at("shelf/a.txt"), "text\n");
    const [ada, ben] = [page("shelf/a.txt"), page("shelf/a.txt", { name: "Ben" })];
    await Promise.all([ready(ada), ready(ben)]);
    ada.type("text", "text, typed just before");
    await until("it is kept", () => ada.state().unkept === 0);
    await callProject(ben.peer(), lab.project_id, "files.rename", { from: "shelf", to: "board" });
    await until("both are told", () => [ada, ben].every((one) => one.moved.at(-1) === "board/a.txt"));
    ben.type("text", "a text");
    await until("it is kept", () => ben.state().unkept === 0);
    const move = await openProject(ben.peer(), lab.project_id, "files.copy", {
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
    const stream = await lab.browser("Vic").openStream(`project.${lab.project_id}.shared.edit`, {
      path: "open/b.txt",
      client: 9,
      roots: ["open"],
    });
    const ended = new Promise((resolve) => stream.onClose(resolve));
    stream.onData(() => {});
    stream.onEnd(() => stream.end());
    await callProject(ada.peer(), lab.project_id, "files.rename", { from: "open/b.txt", to: "closed.txt" });
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
    const { trashed } = await callProject(ada.peer(), lab.project_id, "files.trash", { paths: ["bin"] });
    await until("it is said", () => ada.state().gone);
    ada.link.save(true);
    await until("it is there again", () => existsSync(at("bin/c.txt")) && onDisk("bin/c.txt") === "new\n");
    rmSync(at("bin"), { recursive: true });
    const trash_ids = trashed.map((one) => one.trash_id);
    await callProject(ada.peer(), lab.project_id, "files.trash.restore", { trash_ids });
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
    await lab.restart("SIGTERM", () => rmSync(at("left.txt")));
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
    await lab.restart("SIGKILL");
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
    await lab.restart("SIGKILL", () => {
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
    await lab.restart("SIGTERM", () => expect(onDisk("tidy/last.txt")).toBe("last word\n"));
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
    await lab.restart("SIGTERM", () => {
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
        await openProject(lab.browser(), lab.project_id, "files.edit", { path, client: 1 });
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
      const { stream } = await openProject(lab.browser(), lab.project_id, "files.edit", {
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
