/** Hosts on their way out: drained, deprovisioned, forgotten; and what is left of them. */
import { z } from "zod";

export const leavingProjectSchema = z.object({
  project_id: z.uuid(),
  name: z.string(),
  state: z.string(),
  /** When its last proven backup began; null: there is none, and what is only on that host is lost with it. */
  last_proven: z.iso.datetime().nullable(),
});

/** What would happen; nothing has. */
export const leavingPlanSchema = z.object({
  host_id: z.uuid(),
  name: z.string(),
  /** It answers now: it can be asked to leave. Otherwise it can only be forgotten. */
  connected: z.boolean(),
  projects: z.array(leavingProjectSchema),
  /** On the machine, as it says itself; empty while it does not answer. */
  removes: z.array(z.string()),
  keeps: z.array(z.string()),
});
export type LeavingPlan = z.infer<typeof leavingPlanSchema>;

export const deprovisionSchema = z.object({
  /** Projects, images and the pool stay on the machine. */
  keep_data: z.boolean().default(false),
  /** Goes on although a project has no proven final backup. */
  without_backups: z.boolean().default(false),
});
export type Deprovision = z.infer<typeof deprovisionSchema>;

export const drainSchema = z.object({
  draining: z.boolean(),
  /** Each project is moved to another host; otherwise running ones are stopped where they are. */
  move: z.boolean().default(false),
});
export type Drain = z.infer<typeof drainSchema>;

export const tombstoneSchema = z.object({
  host_id: z.uuid(),
  name: z.string(),
  gone_at: z.iso.datetime(),
  how: z.enum(["deprovisioned", "forgotten"]),
  by: z.string(),
  removed: z.array(z.string()),
  kept: z.array(z.string()),
  /** Where the machine keeps its own log of it. */
  log: z.string().nullable(),
  projects: z.array(leavingProjectSchema),
});
export type Tombstone = z.infer<typeof tombstoneSchema>;
