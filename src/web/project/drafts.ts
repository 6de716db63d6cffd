/**
 * Text that is not saved yet, kept in this browser: a reload, a crash, a project that stops or a host that is away
 * lose nothing that was typed. The file itself changes only when a person saves.
 */
import { z } from "zod";

/** Browsers keep about 5 million characters for an origin in all. */
export const MAX_DRAFT_CHARS = 1_000_000;

const draftSchema = z.object({ text: z.string(), etag: z.string() });
/** `etag` is of the file that the text was made from. */
export type Draft = z.infer<typeof draftSchema>;

const keyOf = (projectId: string, path: string) => `draft ${projectId} ${path}`;

/** Whether it is kept; a text too long, or a full store, is not. */
export function keepDraft(storage: Storage, projectId: string, path: string, draft: Draft): boolean {
  if (draft.text.length > MAX_DRAFT_CHARS) {
    dropDraft(storage, projectId, path);
    return false;
  }
  try {
    storage.setItem(keyOf(projectId, path), JSON.stringify(draft));
    return true;
  } catch {
    // The store is full or shut off: the caller says so.
    return false;
  }
}

export function dropDraft(storage: Storage, projectId: string, path: string): void {
  storage.removeItem(keyOf(projectId, path));
}

export function findDraft(storage: Storage, projectId: string, path: string): Draft | undefined {
  const text = storage.getItem(keyOf(projectId, path));
  if (text === null) return undefined;
  try {
    return draftSchema.parse(JSON.parse(text));
  } catch {
    // Another version of this page wrote it; nothing can be made of it.
    dropDraft(storage, projectId, path);
    return undefined;
  }
}

/** The file has another name now. */
export function moveDraft(storage: Storage, projectId: string, from: string, to: string): void {
  const draft = findDraft(storage, projectId, from);
  if (draft === undefined) return;
  dropDraft(storage, projectId, from);
  keepDraft(storage, projectId, to, draft);
}
