/** What an agent does with files beyond reading and writing one: trash, copies, search. */
import { z } from "zod";
import { ON_EXISTING } from "../files-http.ts";
import { pathSchema } from "./path.ts";

const paths = z.array(pathSchema).min(1).max(1000);
const trash_id = z.string().min(1).max(1024);

export const MAX_TRASH_LIST = 1000;
export const MAX_MATCHES = 2000;
/** Of a line that a search shows. */
export const MAX_MATCH_TEXT = 300;

const trashedSchema = z.object({
  trash_id,
  /** Where it was. */
  path: z.string().max(8192),
  deleted_at: z.number(),
  folder: z.boolean(),
  /** Of a file. */
  size: z.number(),
});
export type Trashed = z.infer<typeof trashedSchema>;

export const fileRequests = {
  /**
   * Into the trash of the freedesktop.org specification, `~/.local/share/Trash`: other programs know it too. All or
   * nothing is promised for each path, not for the list: what stayed is in `failed`.
   */
  "files.trash": {
    request: z.object({ paths }),
    reply: z.object({
      trashed: z.array(z.object({ trash_id, path: z.string().max(8192) })),
      failed: z.array(z.object({ path: z.string().max(8192), code: z.string(), title: z.string() })),
    }),
  },
  "files.trash.list": {
    request: z.object({}),
    /** Newest first, at most {@link MAX_TRASH_LIST}. */
    reply: z.object({ entries: z.array(trashedSchema), total: z.number().int() }),
  },
  /** To where they were; `file.exists` where something is there now, unless `keep_both`. */
  "files.trash.restore": {
    request: z.object({ trash_ids: z.array(trash_id).min(1).max(1000), keep_both: z.boolean().optional() }),
    reply: z.object({ paths: z.array(z.string().max(8192)) }),
  },
  /** For good: these, or all. Their room is free a moment later. */
  "files.trash.empty": {
    request: z.object({ trash_ids: z.array(trash_id).max(1000).optional() }),
    reply: z.object({ removed: z.number().int() }),
  },
} as const;

export const fileStreams = {
  /** Copies into a folder, or moves; ended by whoever opened it, it leaves whole files and no half ones. */
  "files.copy": {
    params: z.object({
      from: paths,
      /** The folder that they go into. */
      to: pathSchema,
      move: z.boolean().optional(),
      existing: z.enum(ON_EXISTING).optional(),
    }),
    up: z.never(),
    down: z.discriminatedUnion("type", [
      z.object({ type: z.literal("progress"), files: z.number(), bytes: z.number() }),
      z.object({
        type: z.literal("done"),
        files: z.number(),
        bytes: z.number(),
        /** Where each of `from` is now. */
        paths: z.array(z.string().max(8192)),
      }),
    ]),
  },
  /** By name, or by content. Answers come as they are found; the end is `done`. Ending the stream ends the search. */
  "files.search": {
    params: z.object({
      path: pathSchema,
      query: z.string().min(1).max(500),
      in: z.enum(["names", "contents"]),
      /** Unless said, upper and lower case are the same. */
      case_sensitive: z.boolean().optional(),
      hidden: z.boolean().optional(),
    }),
    up: z.never(),
    down: z.discriminatedUnion("type", [
      z.object({
        type: z.literal("matches"),
        matches: z
          .array(
            z.object({
              path: z.string().max(8192),
              folder: z.boolean(),
              /** Of a content: from 1. */
              line: z.number().int().optional(),
              text: z.string().max(MAX_MATCH_TEXT).optional(),
            }),
          )
          .max(200),
      }),
      z.object({
        type: z.literal("done"),
        /** There is more than {@link MAX_MATCHES}, or it took too long. */
        truncated: z.boolean(),
        /** How many files were looked at, and how many could not be. */
        files: z.number().int(),
        unreadable: z.number().int(),
      }),
    ]),
  },
} as const;
