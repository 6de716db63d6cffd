/** What a running project uses right now, and what keeps it from being stopped as idle. */
import { z } from "zod";
import { usageSchema as diskUsageSchema } from "./storage.ts";

export const usageSchema = z.object({
  memory_bytes: z.number(),
  /** Processors busy with it, on average since it was last looked at: 1.5 is one and a half. */
  cpus: z.number(),
  processes: z.number().int(),
  /** In words, for people: “a terminal that somebody looks at”. */
  awake_by: z.array(z.string().max(200)).max(20),
  /** When nothing went on in it any more; null while something does. */
  idle_since: z.iso.datetime().nullable(),
  /** null: never. */
  stops_at: z.iso.datetime().nullable(),
});
export type Usage = z.infer<typeof usageSchema>;

/** null, either of them: it does not run; its host is away, or has nothing of it yet. */
export const projectUsageSchema = z.object({
  usage: usageSchema.nullable(),
  disk: diskUsageSchema.nullable(),
});
export type ProjectUsage = z.infer<typeof projectUsageSchema>;

/** Minutes; 0 is never. */
export const idleMinutesSchema = z.number().int().min(0).max(43_200);
