/** Of the helper, about the machine itself. */
import { z } from "zod";
import { isUuid } from "../../../core/ids.ts";

const nothing = z.strictObject({});

export const machineHelperVerbs = {
  /** Ends everything of ours on this machine, a moment after the answer, and removes it. */
  "machine.leave": { request: z.strictObject({ keep_data: z.boolean() }), reply: z.object({}) },
  /** Starts the program that runs root's own installer, and which outlives every service that it restarts. */
  "machine.upgrade": {
    request: z.strictObject({
      command_id: z.string().refine(isUuid, "must be a lower-case UUID"),
      kind: z.enum(["upgrade", "rollback"]),
      // Never the beginning of a flag.
      version: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/, "must be a version")
        .nullable(),
    }),
    reply: z.object({}),
  },
  "machine.upgrading": { request: nothing, reply: z.object({ active: z.boolean() }) },
} as const;
