/**
 * Virtual machines on a host, by the hub (admin). What changes one is a command to its host: kept until that is there,
 * and in its list of commands until and after it ended.
 *
 *   GET    /hosts/:id/vms               {vms, problem}: problem says why there are none to list, such as no Multipass
 *   POST   /hosts/:id/vms               {name, cpus?, memory?, disk?} → HostCommand; it joins by itself
 *   PATCH  /hosts/:id/vms/:name         {cpus?, memory?, disk?} → HostCommand; one that runs is restarted
 *   POST   /hosts/:id/vms/:name/start|stop → HostCommand
 *   DELETE /hosts/:id/vms/:name?even_host=true → HostCommand; 409 while it is a host, unless that is said
 */
import { z } from "zod";
import { problemSchema } from "./problem.ts";
import { vmNameSchema, vmSchema, vmSizeSchema } from "./vms.ts";

export const vmsSchema = z.object({
  vms: z.array(
    vmSchema.extend({
      /** The host that it is to this hub, once it joined. */
      host: z.object({ host_id: z.uuid(), name: z.string() }).nullable(),
      /** It did not join while its token was good: it never will. */
      late: z.boolean(),
    }),
  ),
  problem: problemSchema.nullable(),
});
export type Vms = z.infer<typeof vmsSchema>;

export const createVmSchema = vmSizeSchema.partial().extend({ name: vmNameSchema });
export type CreateVm = z.infer<typeof createVmSchema>;
export const resizeVmSchema = vmSizeSchema
  .partial()
  .refine((size) => Object.values(size).some((one) => one !== undefined), "say what is to change");
export type ResizeVm = z.infer<typeof resizeVmSchema>;
