/**
 * What a hub has a machine do to itself, and which outlives links and restarts: kept by the hub until the machine has
 * said how it ended, kept by the machine from before it said that it has it until the hub heard the end.
 */
import { z } from "zod";
import { problemSchema } from "../problem.ts";
import { vmNameSchema, vmSizeSchema } from "../vms.ts";

/** Never the beginning of a flag, whoever passes it on. */
export const versionSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/, "must be a version");

export const commandKindSchema = z.enum([
  "upgrade",
  "rollback",
  "vm-create",
  "vm-start",
  "vm-stop",
  "vm-resize",
  "vm-delete",
]);
export type CommandKind = z.infer<typeof commandKindSchema>;

/** Of which virtual machine, and how large it is to be. */
export const commandVmSchema = z.object({ name: vmNameSchema, size: vmSizeSchema.partial() });
export type CommandVm = z.infer<typeof commandVmSchema>;

export const commandOrderSchema = z.object({
  command_id: z.uuid(),
  kind: commandKindSchema,
  /** Null: the latest there is, or with `rollback` the one before. */
  version: versionSchema.nullable(),
  vm: commandVmSchema
    .extend({
      /** With `vm-create`: what it joins with, made when the command is sent; gone from the disk once it ended. */
      token: z.string().max(8_100).nullable(),
    })
    .nullish(),
});
export type CommandOrder = z.infer<typeof commandOrderSchema>;

export const commandStatusSchema = z.object({
  command_id: z.uuid(),
  state: z.enum(["running", "done", "failed"]),
  /** Its last word on how far it is. */
  detail: z.string().max(300).nullable(),
  /** What the machine runs now. */
  version: z.string().max(100),
  problem: problemSchema.nullable(),
});
export type CommandStatus = z.infer<typeof commandStatusSchema>;

export const commandHostVerbs = {
  /** The answer is the acknowledgement: it is on the machine's disk. Given again, it only says how far it is. */
  "command.deliver": { request: commandOrderSchema, reply: commandStatusSchema },
} as const;

export const commandHubVerbs = {
  /** Told again until the hub took it. */
  "command-status": commandStatusSchema,
} as const;
