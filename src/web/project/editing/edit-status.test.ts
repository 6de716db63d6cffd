import { expect, test } from "bun:test";
import type { LinkState } from "./edit-link.ts";
import { editStatus } from "./edit-status.ts";

const calm: LinkState = {
  ready: true,
  live: true,
  writable: true,
  unkept: 0,
  unsaved: 0,
  dirty: false,
  gone: false,
  size: 1,
  problem: undefined,
  error: undefined,
  unstored: false,
  misfit: false,
  others: [],
};
const problem = { code: "file.no-space", title: "The project's disk is full" };

test.each<[Partial<LinkState>, string, boolean]>([
  [{ ready: false, live: false }, "", false],
  [{}, "Saved", false],
  [{ dirty: true }, "Saving", false],
  [{ unsaved: 2 }, "Saving", false],
  [{ unsaved: 2, unkept: 1 }, "Saving", true],
  [{ live: false }, "Offline", false],
  [{ live: false, unkept: 1, unsaved: 1 }, "Not saved (offline)", true],
  [{ dirty: true, problem }, "Not saved", true],
  [{ problem }, "Not saved", false],
  [{ gone: true }, "Not saved", false],
  [{ gone: true, dirty: true }, "Not saved", true],
  [{ writable: false }, "Read only", false],
  [{ writable: false, unkept: 3 }, "Not saved", true],
])("%j is %s", (change, word, unsafe) => {
  expect(editStatus({ ...calm, ...change })).toEqual({ word, unsafe } as ReturnType<typeof editStatus>);
});
