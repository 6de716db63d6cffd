/** Of the helper, about Multipass, whose daemon takes orders from root. */
import { z } from "zod";
import { vmActSchema, vmNameSchema, vmSchema, vmSizeSchema } from "../../../contract/vms.ts";

export const vmHelperVerbs = {
  "vm.list": { request: z.strictObject({}), reply: z.object({ vms: z.array(vmSchema) }) },
  /** The same again changes nothing; only those with our prefix are ever touched. */
  "vm.act": {
    request: z.strictObject({
      act: vmActSchema,
      name: vmNameSchema,
      size: vmSizeSchema.partial(),
      /** With `create`: what it joins with. The user data is made of it here. */
      token: z
        .string()
        .regex(/^lpj_[A-Za-z0-9_.-]{1,8000}$/, "must be a join token")
        .nullable(),
      /** It was begun before, and that may have gone on without us. */
      again: z.boolean(),
    }),
    reply: z.object({}),
  },
} as const;
