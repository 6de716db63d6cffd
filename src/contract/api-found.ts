/** Projects that a host has on its disk and that are none of its own to this hub: of a former hub, or of a former stay. */
import { z } from "zod";
import { limitsSchema } from "./api.ts";

/** As the host tells it, from its own records; of files without one (a pool from elsewhere) only id and digest are known. */
export const foundRecordSchema = z.object({
  project_id: z.uuid(),
  name: z.string().max(200),
  /** "" where only its digest is known. */
  image: z.string().max(200),
  /** What it has below its own changes. */
  digest: z.string().max(64).nullable().default(null),
  limits: limitsSchema,
  generation: z.number().int().min(0).max(1_000_000_000),
});

export const foundProjectSchema = foundRecordSchema.extend({
  /**
   * `unknown`: this hub never heard of it. `homeless`: it is this hub's, and its host is gone. `elsewhere`: it is this
   * hub's and lives on another host, so what is here is an old copy.
   */
  state: z.enum(["unknown", "homeless", "elsewhere"]),
});
export const foundSchema = z.object({
  /** UUID of the file system that holds them; null where it is a plain directory. */
  pool: z.string().max(60).nullable(),
  projects: z.array(foundProjectSchema),
});
export type Found = z.infer<typeof foundSchema>;
export type FoundProject = Found["projects"][number];

/** What each is, and what is lost where it is wiped; for the page and the command line. */
export const FOUND_WORDS: Record<FoundProject["state"], { is: string; lost: string }> = {
  unknown: {
    is: "this hub never heard of it",
    lost: "This hub has no backup of it: what is on this disk may be all there is.",
  },
  homeless: {
    is: "this hub’s, from a host that is gone",
    lost: "What is newer here than its last proven backup is lost.",
  },
  elsewhere: { is: "an old copy: it lives elsewhere", lost: "It goes on where it lives." },
};
