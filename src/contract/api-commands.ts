/** Commands to hosts: upgrades, rollbacks, virtual machines; waiting for their machine, under way, or ended. */
import { z } from "zod";
import { commandKindSchema, commandVmSchema, versionSchema } from "./host-verbs/commands.ts";
import { problemSchema } from "./problem.ts";

export const hostCommandSchema = z.object({
  command_id: z.uuid(),
  host_id: z.uuid(),
  kind: commandKindSchema,
  /** What it is to run then; null: the latest there is, or with `rollback` the one before. */
  version: z.string().nullable(),
  /**
   * `waiting`: the machine has not said yet that it has it, because it is away or was asked just now; `backing-up`: its
   * projects that changed are backed up before it gets it.
   */
  state: z.enum(["waiting", "backing-up", "running", "done", "failed", "cancelled"]),
  detail: z.string().nullable(),
  from_version: z.string().nullable(),
  /** What the machine ran when it told last. */
  to_version: z.string().nullable(),
  /** How often it was sent. */
  attempts: z.number().int(),
  problem: problemSchema.nullable(),
  created_at: z.iso.datetime(),
  created_by: z.string(),
  finished_at: z.iso.datetime().nullable(),
  /** Asked for without backing up first. */
  without_backups: z.boolean(),
  /** The operation that backs its projects up, before an upgrade. */
  backup_operation: z.uuid().nullable(),
  /** Of one about a virtual machine: which. */
  vm: commandVmSchema.nullable(),
});
export type HostCommand = z.infer<typeof hostCommandSchema>;

export const upgradeHostSchema = z.object({
  /** Of the hub's own machine alone; other hosts get the hub's version. */
  version: versionSchema.optional(),
  /** Also where a project that changed cannot be backed up first. */
  without_backups: z.boolean().default(false),
});
export type UpgradeHost = z.input<typeof upgradeHostSchema>;
