/** What the helper can be asked of storage: ids, numbers and names. Every path is its own. */
import { z } from "zod";
import {
  poolFactsSchema,
  poolHealthSchema,
  snapshotKindSchema,
  snapshotNameSchema,
  snapshotSchema,
  usageSchema,
} from "../../../contract/storage.ts";
import { isUuid } from "../../../core/ids.ts";

const project_id = z.string().refine(isUuid, "must be a lower-case UUID");
/** A disk limit. */
export const diskBytes = z
  .number()
  .int()
  .min(2 ** 20)
  .max(2 ** 50);
const project = z.strictObject({ project_id });
const one = z.strictObject({ project_id, name: snapshotNameSchema });
const nothing = z.strictObject({});
/** With the place on this host where it can be read: `home` and `upper` are below it. */
const stored = snapshotSchema.extend({ path: z.string() });

export const storageVerbs = {
  "storage.facts": { request: nothing, reply: poolFactsSchema },
  /** Where a project's files are now; `data` has `home` and `upper` in it. Error: `storage.unknown-project`. */
  "storage.space": {
    request: project,
    reply: z.object({ kind: z.enum(["directory", "btrfs"]), data: z.string(), snapshots: z.boolean() }),
  },
  "storage.projects": { request: nothing, reply: z.object({ project_ids: z.array(z.string()) }) },
  /** What a scrub found last, and errors that the devices have counted; null where there is no pool. */
  "storage.health": { request: nothing, reply: poolHealthSchema },
  /** Scrubs in the background when the last one is a month ago. */
  "storage.scrub-due": { request: nothing, reply: z.object({ started: z.boolean() }) },
  "storage.usage": { request: project, reply: usageSchema },
  "storage.set-quota": {
    request: z.strictObject({
      project_id,
      bytes: diskBytes.nullable(),
    }),
    reply: z.object({}),
  },
  /** null: only wanted if something had changed, and nothing had. */
  "snapshot.create": {
    request: z.strictObject({ project_id, kind: snapshotKindSchema, only_if_changed: z.boolean() }),
    reply: z.object({ snapshot: stored.nullable() }),
  },
  /** All of a stopped project, as it was; a safety snapshot is made first. Error: `project.running`. */
  "snapshot.restore": { request: one, reply: z.object({}) },
  "snapshot.list": { request: project, reply: z.object({ snapshots: z.array(stored) }) },
  "snapshot.remove": { request: one, reply: z.object({ removed: z.boolean() }) },
} as const;
