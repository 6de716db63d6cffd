import type { Hono } from "hono";
import { z } from "zod";
import { operationSchema } from "../../contract/api.ts";
import {
  deprovisionSchema,
  drainSchema,
  leavingPlanSchema,
  tombstoneSchema,
} from "../../contract/api-leaving.ts";
import type { Leavings } from "../hosts/leaving.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export function leavingRoutes(api: Hono<ApiEnv>, leavings: Leavings): void {
  api.get(
    "/tombstones",
    doc("Hosts that are gone, and where their projects are (admin)", z.array(tombstoneSchema)),
    async (c) => c.json(await leavings.tombstones(callerOf(c))),
  );
  api.get(
    "/hosts/:id/leaving",
    doc("What deprovisioning would remove and keep; changes nothing (admin)", leavingPlanSchema),
    async (c) =>
      c.json(await leavings.plan(callerOf(c), c.req.param("id"), c.req.query("keep_data") === "1")),
  );
  api.post(
    "/hosts/:id/deprovision",
    doc("Backs its projects up, then has the machine take itself apart (admin)", operationSchema, 202),
    body(deprovisionSchema),
    async (c) => c.json(await leavings.deprovision(callerOf(c), c.req.param("id"), c.req.valid("json")), 202),
  );
  api.post(
    "/hosts/:id/drain",
    doc("Takes no new projects; stops or moves those that run (admin)", operationSchema.nullable(), 202),
    body(drainSchema),
    async (c) => c.json(await leavings.drain(callerOf(c), c.req.param("id"), c.req.valid("json")), 202),
  );
  api.post(
    "/hosts/:id/forget",
    doc("Lets go of a host that never answers (admin)", tombstoneSchema),
    body(z.object({ accept_loss: z.boolean().default(false) })),
    async (c) =>
      c.json(await leavings.forget(callerOf(c), c.req.param("id"), c.req.valid("json").accept_loss)),
  );
}
