/**
 * Editing together. The agent holds one Yjs document for each open file; a page holds its own copy and the two tell each
 * other what is new. Bytes both ways are frames of editing/frames.ts: updates, and once from the agent the state
 * vector that says what it has. What a page sends is counted: the agent answers with how many of its frames are
 * kept (`seen`) and how many are in the file (`saved`), so that "Saved" is said of what is on disk alone.
 */
import { z } from "zod";
import { problemSchema } from "../problem.ts";
import { pathSchema } from "./path.ts";

/** Of a base64 state vector; a page with a longer one asks for the whole document. */
export const MAX_VECTOR_CHARS = 100_000;
const client = z.number().int().min(0).max(0xffff_ffff);

const item = z.object({ client, clock: z.number().int().min(0) });
/** A place in the text that stays where it is while others type: a relative position of Yjs. */
const placeSchema = z.object({
  type: item.nullish(),
  tname: z.string().max(20).nullish(),
  item: item.nullish(),
  assoc: z.number().int().optional(),
});
export const cursorSchema = z.object({ anchor: placeSchema, head: placeSchema });
export type EditCursor = z.output<typeof cursorSchema>;

/** As the hub vouched for it when the page's socket opened: the host says it, never the page. */
export const editPersonSchema = z.object({
  account_id: z.string().max(64),
  name: z.string().max(100),
});
export type EditPerson = z.output<typeof editPersonSchema>;

export const editStateSchema = z.object({
  type: z.literal("state"),
  /** Of the frames of this stream: kept by the agent, whatever becomes of it. */
  seen: z.number().int(),
  /** Of the frames of this stream: in the file. */
  saved: z.number().int(),
  /** Somebody's changes are not in the file yet. */
  dirty: z.boolean(),
  /** There is no such file any more; saving makes it anew. */
  gone: z.boolean(),
  /** Of the file. */
  size: z.number().int(),
  /** Why it is not saved. */
  problem: problemSchema.optional(),
});
export type EditState = z.output<typeof editStateSchema>;

export const editRequests = {
  /**
   * What people made of a file that is open, into a new file (`file.exists` where there is something): its document is
   * that file's from then on, and every page of it is told `moved`. What is at `path` stays as it is.
   */
  "files.save-as": { request: z.object({ path: pathSchema, to: pathSchema }), reply: z.object({}) },
} as const;

export const editStreams = {
  "files.edit": {
    params: z.object({
      path: pathSchema,
      /** Of this page's copy of the document: coming again it takes the place of its older line. */
      client,
      /** What this page has already, of which document. */
      have: z.object({ doc_id: z.string().max(64), vector: z.string().max(MAX_VECTOR_CHARS) }).optional(),
    }),
    up: z.discriminatedUnion("type", [
      /** Now, not after the pause. `over`: also over what somebody else put there that is no text. */
      z.object({ type: z.literal("save"), over: z.boolean().optional() }),
      z.object({ type: z.literal("here"), cursor: cursorSchema.nullable() }),
    ]),
    down: z.discriminatedUnion("type", [
      z.object({
        type: z.literal("opened"),
        /** Another one than the page had: the two cannot be merged as documents, but as texts. */
        doc_id: z.string().max(64),
        writable: z.boolean(),
        ending: z.enum(["\n", "\r\n"]),
      }),
      editStateSchema,
      /** Somebody renamed or moved the file, or a folder above it, and the document went along. */
      z.object({ type: z.literal("moved"), path: pathSchema }),
      /** Another page; `person` is null once it is gone. */
      z.object({
        type: z.literal("there"),
        /** The agent's own number for that page's line, from 1. */
        who: z.number().int().min(1),
        person: editPersonSchema.nullable(),
        cursor: cursorSchema.nullable(),
      }),
    ]),
  },
} as const;

/** What reaches the agent: the host put beside the question who asks, over whatever the page said of that. */
export const vouchedEditSchema = editStreams["files.edit"].params.extend({ person: editPersonSchema });
