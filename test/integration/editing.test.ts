/** People editing one file in a real agent, each with the page's own half of it: what anybody typed or wrote is there in the end. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import * as Y from "yjs";
import { EDIT_FRAME, encodeEditFrame } from "../../src/contract/editing/frames.ts";
import { callProject, openProject } from "../../src/contract/project-client.ts";
import { asViewer, sharedStreams } from "../../src/contract/project-services/shared.ts";
import { EditLink } from "../../src/web/project/editing/edit-link.ts";
import { browserStore, type EditPage } from "../fixtures/edit-page.ts";
import { editingLab } from "../fixtures/editing-lab.ts";

setDefaultTimeout(90_000);
const { lab, at, onDisk, page, until, ready, saved, codeOf, links } = editingLab();

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
    const peer = lab().browser("Mallory");
    const claim = { account_id: "Ben", name: "Ben" };
    const stream = await peer.openStream(`project.${lab().project_id}.files.edit`, {
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
      const line = await openProject(lab().browser("Cy"), lab().project_id, "files.edit", {
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
    const peer = lab().browser();
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
      projectId: lab().project_id,
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
    const { stream } = await openProject(viewer, lab().project_id, "files.edit", params);
    const theirs = new Y.Doc();
    theirs.getText("text").insert(0, "defaced");
    await stream.write(encodeEditFrame(EDIT_FRAME.UPDATE, Y.encodeStateAsUpdate(theirs)));
    stream.sendMessage({ type: "save", over: true });
    ada.type("Read", "Please read");
    await saved(ada);
    expect(onDisk("course/task.md")).toBe("Please read chapter two\n");
    const outside = openProject(viewer, lab().project_id, "files.edit", { path: "two.txt", client: 1 });
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
    await callProject(ada.peer(), lab().project_id, "files.rename", { from: "old", to: "new" });
    const ben = page("new/a.txt", { name: "Ben" });
    await ready(ben);
    await until("he has it", () => ben.link.text === "typed just before\n");
    ada.type("before", "before and after");
    await saved(ben);
    await until("it is in the file", () => onDisk("new/a.txt") === "typed just before and after\n");
    expect(existsSync(at("old"))).toBe(false);
  });
});
