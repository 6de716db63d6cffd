/**
 * What was typed and is not kept by the project yet, kept in this browser: a reload, a crash, a project that stops or a
 * host that is away lose nothing. It goes into the document it was typed into; should that be another by then, the texts
 * are merged.
 */
import { z } from "zod";

/** Browsers keep about 5 million characters for an origin in all. */
export const MAX_DRAFT_CHARS = 1_000_000;

const draftSchema = z.object({
  doc_id: z.string(),
  /** What the project lacks, as an update of Yjs in base64. */
  update: z.string(),
  /** What the project had, and what it was with the update; absent when that is too long to be kept. */
  texts: z.object({ base: z.string(), mine: z.string() }).optional(),
});
export type Draft = z.infer<typeof draftSchema>;

const keyOf = (projectId: string, path: string) => `draft ${projectId} ${path}`;

/** Whether it is kept; one too long, or in a full store, is not. */
export function keepDraft(storage: Storage, projectId: string, path: string, draft: Draft): boolean {
  const { texts, ...least } = draft;
  const long = (texts?.base.length ?? 0) + (texts?.mine.length ?? 0) > MAX_DRAFT_CHARS;
  if (least.update.length > MAX_DRAFT_CHARS) {
    dropDraft(storage, projectId, path);
    return false;
  }
  try {
    storage.setItem(keyOf(projectId, path), JSON.stringify(long ? least : draft));
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
