/** hub → host: about virtual machines there. What changes one is a command. */
import { z } from "zod";
import { problemSchema } from "../problem.ts";
import { vmSchema } from "../vms.ts";

export const vmHostVerbs = {
  "vm.list": {
    request: z.object({}),
    reply: z.object({ vms: z.array(vmSchema).max(1_000), problem: problemSchema.nullable() }),
  },
} as const;
