/** hub → host: about the machine itself. */
import { z } from "zod";
import { foundRecordSchema } from "../api-found.ts";

const keep_data = z.boolean();
export const leavingSchema = z.object({
  removes: z.array(z.string().max(400)).max(100),
  keeps: z.array(z.string().max(400)).max(100),
  /** Outside the data directory, so that it outlives it. */
  log: z.string().max(400),
});
export type Leaving = z.infer<typeof leavingSchema>;

export const machineHostVerbs = {
  /** What its disk holds: every project that it has a record of, and the file system they are on. */
  "machine.found": {
    request: z.object({}),
    reply: z.object({
      pool: z.string().max(60).nullable(),
      projects: z.array(foundRecordSchema).max(10_000),
    }),
  },
  /** What leaving would take away and what it would keep; changes nothing. */
  "machine.leaving": { request: z.object({ keep_data }), reply: leavingSchema },
  /** The answer is the acknowledgement: only then the machine ends its services, its tunnel among them. */
  "machine.leave": { request: z.object({ keep_data }), reply: leavingSchema },
} as const;
