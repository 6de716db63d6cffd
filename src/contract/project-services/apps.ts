/** What an agent answers about managed apps; spread into `projectRequests`. */
import { z } from "zod";
import {
  appDefinitionSchema,
  appNameSchema,
  appSchema,
  appStatusSchema,
  MAX_APPS,
  MAX_LOG_CHUNK_BYTES,
} from "../apps.ts";
import { problemSchema } from "../problem.ts";

export const appRequests = {
  "apps.list": {
    request: z.object({}),
    /** `problem`: the project's own definitions cannot be read; the built-in ones are there all the same. */
    reply: z.object({ apps: z.array(appSchema).max(MAX_APPS * 2), problem: problemSchema.nullable() }),
  },
  /**
   * As it is; with `start` a stopped app is started, and one that crashed after it had run. One that failed to start
   * stays so until `again`, or a page that reloads itself would start it for ever.
   */
  "apps.open": {
    request: z.object({ app: appNameSchema, start: z.boolean(), again: z.boolean().optional() }),
    reply: appStatusSchema,
  },
  "apps.stop": { request: z.object({ app: appNameSchema }), reply: appStatusSchema },
  /** Output from byte `from` on; what is no longer kept is skipped, and `from` of the answer says so. */
  "apps.log": {
    request: z.object({ app: appNameSchema, from: z.number().int().min(0) }),
    reply: z.object({
      from: z.number().int(),
      next: z.number().int(),
      text: z.string().max(MAX_LOG_CHUNK_BYTES * 3),
      status: appStatusSchema,
    }),
  },
  /** Keeps a definition in the project; `null` takes it away, and a built-in of that name comes back. */
  "apps.define": {
    request: z.object({ app: appNameSchema, definition: appDefinitionSchema.nullable() }),
    reply: z.object({}),
  },
} as const;
