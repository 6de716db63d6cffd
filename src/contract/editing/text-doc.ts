/** A text as a Yjs document: both the agent and a page make, change and merge it by these. */
import * as Y from "yjs";
import { differences } from "../../core/text-difference.ts";

/** The one shared type of a document. */
export const TEXT = "text";

export const textOf = (doc: Y.Doc): string => doc.getText(TEXT).toString();

/**
 * A document that holds `content`. Of the same `seed` and content it is the same to the last id, whoever makes it: an
 * agent that was started anew goes on with the pages of the one before, though it kept nothing.
 */
export function docOf(content: string, seed: number): Y.Doc {
  const doc = new Y.Doc();
  const own = doc.clientID;
  doc.clientID = seed;
  doc.getText(TEXT).insert(0, content);
  doc.clientID = own;
  return doc;
}

/** The same history, to be changed apart. */
export function copyOf(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return copy;
}

/** Makes the text `content`, by no more changes than that takes. Returns whether there were any. */
export function changeText(doc: Y.Doc, content: string, origin?: unknown): boolean {
  const text = doc.getText(TEXT);
  const changes = differences(text.toString(), content);
  doc.transact(() => {
    for (const { from, to, insert } of changes.reverse()) {
      if (to > from) text.delete(from, to - from);
      if (insert !== "") text.insert(from, insert);
    }
  }, origin);
  return changes.length > 0;
}

/** What two people made of one text, with the changes of both. */
export function mergeTexts(base: string, mine: string, theirs: string): string {
  const doc = docOf(base, 1);
  const other = copyOf(doc);
  changeText(doc, mine);
  changeText(other, theirs);
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other));
  return textOf(doc);
}
