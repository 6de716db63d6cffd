import type { Hono } from "hono";
import { z } from "zod";
import { operationSchema } from "../../contract/api.ts";
import {
  addMachineSchema,
  lookRequestSchema,
  machineLookSchema,
  machineSchema,
} from "../../contract/api-machines.ts";
import type { Machines } from "../machines/machines.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export function machineRoutes(api: Hono<ApiEnv>, machines: Machines): void {
  api.get("/machines", doc("Machines that the hub signs in to (admin)", z.array(machineSchema)), async (c) =>
    c.json(await machines.list(callerOf(c))),
  );
  api.post(
    "/machines/look",
    doc("The host key that a machine shows, and the hub's key for it (admin)", machineLookSchema),
    body(lookRequestSchema),
    async (c) => c.json(await machines.look(callerOf(c), c.req.valid("json").target)),
  );
  api.post(
    "/machines",
    doc("Signs in to a machine whose key was compared, and makes it a host (admin)", operationSchema, 202),
    body(addMachineSchema),
    async (c) => c.json(await machines.add(callerOf(c), c.req.valid("json")), 202),
  );
  api.delete("/machines/:id", doc("The hub signs in there no more (admin)", z.object({})), async (c) => {
    await machines.remove(callerOf(c), c.req.param("id"));
    return c.json({});
  });
}
