import type { Hono } from "hono";
import { hostCommandSchema } from "../../contract/api-commands.ts";
import { createVmSchema, resizeVmSchema, vmsSchema } from "../../contract/api-vms.ts";
import { vmNameSchema } from "../../contract/vms.ts";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubVms } from "../vms/vms.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

/** Errors: `vm.bad-name`. */
function nameOf(text: string): string {
  const read = vmNameSchema.safeParse(text);
  if (read.success) return read.data;
  throw new CodedError({
    code: "vm.bad-name",
    title: `“${text.slice(0, 100)}” is no name for a virtual machine`,
    fix: "Use lower-case letters, digits and dashes, at most 50 of them.",
    status: 422,
    exit: EX.USAGE,
  });
}

export function vmRoutes(api: Hono<ApiEnv>, vms: HubVms): void {
  api.get("/hosts/:id/vms", doc("Virtual machines on a host, those of ours (admin)", vmsSchema), async (c) =>
    c.json(await vms.list(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/hosts/:id/vms",
    doc("Makes a virtual machine there, which joins by itself (admin)", hostCommandSchema, 202),
    body(createVmSchema),
    async (c) => c.json(await vms.create(callerOf(c), c.req.param("id"), c.req.valid("json")), 202),
  );
  for (const act of ["start", "stop"] as const) {
    api.post(
      `/hosts/:id/vms/:name/${act}`,
      doc(`${act === "start" ? "Starts" : "Stops"} a virtual machine (admin)`, hostCommandSchema, 202),
      async (c) => c.json(await vms[act](callerOf(c), c.req.param("id"), nameOf(c.req.param("name"))), 202),
    );
  }
  api.patch(
    "/hosts/:id/vms/:name",
    doc("Changes a virtual machine's size; one that runs is restarted (admin)", hostCommandSchema, 202),
    body(resizeVmSchema),
    async (c) =>
      c.json(
        await vms.resize(callerOf(c), c.req.param("id"), nameOf(c.req.param("name")), c.req.valid("json")),
        202,
      ),
  );
  api.delete(
    "/hosts/:id/vms/:name",
    doc("Deletes a virtual machine and its disk; not while it is a host (admin)", hostCommandSchema, 202),
    async (c) => {
      const evenHost = c.req.query("even_host") === "true";
      return c.json(
        await vms.remove(callerOf(c), c.req.param("id"), nameOf(c.req.param("name")), evenHost),
        202,
      );
    },
  );
}
