/** What a page may say of a file's state: "Saved" of what is on disk alone. */
import type { LinkState } from "./edit-link.ts";

export interface EditStatus {
  word: "" | "Saved" | "Saving" | "Not saved" | "Not saved (offline)" | "Offline" | "Read only";
  /** Somebody would lose something by closing the page, or must do something. */
  unsafe: boolean;
}

export function editStatus(state: LinkState): EditStatus {
  const { ready, live, writable, unkept, unsaved, dirty, gone, problem } = state;
  if (!ready) return { word: "", unsafe: false };
  if (!live)
    return unkept > 0 ? { word: "Not saved (offline)", unsafe: true } : { word: "Offline", unsafe: false };
  if (!writable && unkept === 0) return { word: "Read only", unsafe: false };
  const waiting = unkept > 0 || unsaved > 0 || dirty;
  if (!writable || (waiting && (gone || problem !== undefined))) return { word: "Not saved", unsafe: true };
  // What the agent keeps is safe already; what is still on its way to it would be lost without the draft.
  if (waiting) return { word: "Saving", unsafe: unkept > 0 };
  return { word: gone || problem !== undefined ? "Not saved" : "Saved", unsafe: false };
}
