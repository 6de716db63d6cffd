/**
 * Whether a page's update may be taken: Yjs applies half of a malformed one, and keeps one that it cannot place for ever.
 * Only text is taken, placed in what the document has.
 */
import * as Y from "yjs";
import { TEXT } from "../../contract/editing/text-doc.ts";
import { CodedError } from "../../core/errors.ts";

/** Deletions of one update, as ranges: each costs a look-up. */
const MAX_DELETIONS = 1_000_000;

function refused(why: string): CodedError {
  return new CodedError({ code: "edit.malformed", title: "A malformed change came", why, status: 400 });
}

const holds = (item: Y.Item, { client, clock }: Y.ID) =>
  item.id.client === client && item.id.clock <= clock && clock < item.id.clock + item.length;

/** It says to stand right of one and left of another that stand the other way round: each reader would place it anew. */
function contradicts(doc: Y.Doc, { origin, rightOrigin }: Y.Item): boolean {
  if (origin === null || rightOrigin === null) return false;
  const there = (id: Y.ID) => id.clock < Y.getState(doc.store, id.client) && Y.getItem(doc.store, id);
  const left = there(origin);
  const right = there(rightOrigin);
  if (!(left instanceof Y.Item && right instanceof Y.Item)) return false;
  if (left === right) return rightOrigin.clock <= origin.clock;
  let item: Y.Item | null = left;
  while (item !== null && !holds(item, rightOrigin)) item = item.right;
  return item === null;
}

/** How many characters it brings. Throws `edit.malformed`, or `edit.out-of-step` when something before it is missing. */
export function checkUpdate(doc: Y.Doc, update: Uint8Array): number {
  let decoded: ReturnType<typeof Y.decodeUpdate>;
  try {
    decoded = Y.decodeUpdate(update);
  } catch {
    throw refused("it cannot be read");
  }
  const known = Y.decodeStateVector(Y.encodeStateVector(doc));
  const next = new Map<number, number>();
  let brings = 0;
  for (const struct of decoded.structs) {
    const { client, clock } = struct.id;
    const expected = next.get(client) ?? known.get(client) ?? 0;
    if (struct instanceof Y.Skip || clock > expected) {
      throw new CodedError({
        code: "edit.out-of-step",
        title: "Changes before this one are missing",
        fix: "The page asks for the whole text again by itself.",
        status: 409,
      });
    }
    next.set(client, Math.max(expected, clock + struct.length));
    if (!(struct instanceof Y.Item)) continue;
    const { content, parent } = struct;
    if (content instanceof Y.ContentString) brings += content.getLength();
    else if (!(content instanceof Y.ContentDeleted)) throw refused("it holds more than text");
    if (typeof parent === "string" ? parent !== TEXT : parent !== null)
      throw refused("it is not of this text");
    if (struct.parentSub !== null) throw refused("it is not of this text");
    if (contradicts(doc, struct)) throw refused("its place contradicts itself");
  }
  let deletions = 0;
  for (const [client, ranges] of decoded.ds.clients) {
    deletions += ranges.length;
    const has = next.get(client) ?? known.get(client) ?? 0;
    for (const { clock, len } of ranges) if (clock + len > has) throw refused("it deletes what never was");
  }
  if (deletions > MAX_DELETIONS) throw refused("it deletes too much at once");
  return brings;
}
