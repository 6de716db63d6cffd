import type { Hono } from "hono";
import { z } from "zod";
import { hostCommandSchema, upgradeHostSchema } from "../../contract/api-commands.ts";
import type { Commands } from "../commands/commands.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export function commandRoutes(api: Hono<ApiEnv>, commands: Commands): void {
  api.get(
    "/hosts/:id/commands",
    doc(
      "Upgrades, rollbacks and virtual machines of a host, newest first (admin)",
      z.array(hostCommandSchema),
    ),
    async (c) => c.json(await commands.list(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/hosts/:id/upgrade",
    doc(
      "Brings a host to the hub's version; the hub's own machine to a release (admin)",
      hostCommandSchema,
      202,
    ),
    body(upgradeHostSchema),
    async (c) => c.json(await commands.upgrade(callerOf(c), c.req.param("id"), c.req.valid("json")), 202),
  );
  api.post(
    "/hosts/:id/rollback",
    doc(
      "Brings a host back to its version before; the hub's own machine with the hub (admin)",
      hostCommandSchema,
      202,
    ),
    async (c) => c.json(await commands.rollback(callerOf(c), c.req.param("id")), 202),
  );
  api.post(
    "/hosts/:id/commands/:command/cancel",
    doc("Cancels a command that its machine does not have yet (admin)", hostCommandSchema),
    async (c) => c.json(await commands.cancel(callerOf(c), c.req.param("id"), c.req.param("command"))),
  );
}
