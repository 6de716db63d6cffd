import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as Y from "yjs";
import { changeText, copyOf, docOf, textOf } from "../../contract/editing/text-doc.ts";
import { CodedError } from "../../core/errors.ts";
import { MAX_TEXT_CHARS, SharedDoc } from "./shared-doc.ts";

function typed(shared: SharedDoc, make: (doc: Y.Doc) => void): Uint8Array {
  const page = copyOf(shared.people);
  const before = Y.encodeStateVector(page);
  make(page);
  return Y.encodeStateAsUpdate(page, before);
}

function refusal(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error instanceof CodedError ? error.code : error;
  }
  return "taken";
}

describe("what is typed and what a program writes", () => {
  test("both live, wherever they are", () => {
    const shared = new SharedDoc(docOf("one\ntwo\nthree\n", 1));
    shared.take(
      typed(shared, (doc) => changeText(doc, "one\ntwo and a half\nthree\n")),
      "ada",
    );
    expect(shared.dirty).toBe(true);
    expect(shared.fromDisk("zero\none\ntwo\nthree\nfour\n", "disk")).toBeDefined();
    expect(shared.text).toBe("zero\none\ntwo and a half\nthree\nfour\n");
    expect(textOf(shared.disk)).toBe("zero\none\ntwo\nthree\nfour\n");
    const snapshot = shared.snapshot();
    shared.take(
      typed(shared, (doc) => doc.getText("text").insert(0, "typed while it was written\n")),
      "ada",
    );
    shared.written(snapshot);
    expect(textOf(shared.disk)).toBe(snapshot.text);
    expect(shared.dirty).toBe(true);
    expect(shared.fromDisk(snapshot.text, "disk")).toBeUndefined();
  });

  test("lines that anybody wrote are there in the end, in any order of events", () => {
    const event = fc.record({ who: fc.constantFrom("page", "disk", "save"), at: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const shared = new SharedDoc(docOf("first\n", 1));
        const lines: string[] = ["first"];
        for (const [n, { who, at }] of events.entries()) {
          const line = `${who} ${n}`;
          const added = (text: string) => {
            const all = text.split("\n");
            all.splice(at % all.length, 0, line);
            return all.join("\n");
          };
          if (who === "save") shared.written(shared.snapshot());
          else if (who === "page")
            shared.take(
              typed(shared, (doc) => changeText(doc, added(textOf(doc)))),
              "ada",
            );
          else shared.fromDisk(added(textOf(shared.disk)), "disk");
          if (who !== "save") lines.push(line);
        }
        return lines.every((line) => shared.text.includes(line));
      }),
      { numRuns: 200 },
    );
  });
});

describe("hostile updates are refused and change nothing", () => {
  const fresh = () => new SharedDoc(docOf("text\n", 1));
  const cases: [string, string, (shared: SharedDoc) => Uint8Array][] = [
    ["noise", "edit.malformed", () => new Uint8Array([9, 200, 3, 77, 255, 255, 255, 255, 255, 255, 1])],
    ["nothing at all", "edit.malformed", () => new Uint8Array()],
    ["a map beside the text", "edit.malformed", (s) => typed(s, (doc) => doc.getMap("other").set("a", 1))],
    [
      "an embedded object",
      "edit.malformed",
      (s) => typed(s, (doc) => doc.getText("text").insertEmbed(0, {})),
    ],
    ["formats", "edit.malformed", (s) => typed(s, (doc) => doc.getText("text").format(0, 2, { b: 1 }))],
    ["another text", "edit.malformed", (s) => typed(s, (doc) => doc.getText("more").insert(0, "x"))],
    [
      "what comes after something that never came",
      "edit.out-of-step",
      (s) => {
        const page = copyOf(s.people);
        page.getText("text").insert(0, "first");
        const before = Y.encodeStateVector(page);
        page.getText("text").insert(0, "second");
        return Y.encodeStateAsUpdate(page, before);
      },
    ],
    [
      "the deletion of what never was",
      "edit.malformed",
      () => {
        const other = docOf("another", 99);
        const before = Y.encodeStateVector(other);
        other.getText("text").delete(0, 3);
        return Y.encodeStateAsUpdate(other, before);
      },
    ],
    [
      "a text without end",
      "edit.too-long",
      (s) => typed(s, (doc) => doc.getText("text").insert(0, "x".repeat(MAX_TEXT_CHARS))),
    ],
  ];
  test.each(cases)("%s", (_, code, make) => {
    const shared = fresh();
    const update = make(shared);
    const before = Y.encodeStateAsUpdate(shared.people);
    expect(refusal(() => shared.take(update, "eve"))).toBe(code);
    expect(Buffer.from(Y.encodeStateAsUpdate(shared.people)).equals(Buffer.from(before))).toBe(true);
    shared.take(
      typed(shared, (doc) => doc.getText("text").insert(0, "still a ")),
      "ada",
    );
    expect(shared.text).toBe("still a text\n");
  });

  test("bytes that were turned over never break it", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 }), (flips) => {
        const shared = fresh();
        const update = typed(shared, (doc) => changeText(doc, "tex and more\nlines\n"));
        for (const [at, value] of flips) update[at % update.length] = value;
        refusal(() => shared.take(update, "eve"));
        return (
          typeof shared.text === "string" &&
          textOf(new SharedDoc(copyOf(shared.people)).people) === shared.text
        );
      }),
      { numRuns: 500 },
    );
  });
});
