import type { Hono } from "hono";
import { z } from "zod";
import { projectSchema } from "../../contract/api.ts";
import { foundSchema } from "../../contract/api-found.ts";
import type { Finds } from "../hosts/found.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export function foundRoutes(api: Hono<ApiEnv>, finds: Finds): void {
  api.get(
    "/hosts/:id/found",
    doc("Projects on its disk that it does not run for this hub (admin)", foundSchema),
    async (c) => c.json(await finds.list(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/hosts/:id/found/:project/adopt",
    doc("Makes such a project one of this hub's, with the files that are there (admin)", projectSchema),
    async (c) => c.json(await finds.adopt(callerOf(c), c.req.param("id"), c.req.param("project"))),
  );
  api.post(
    "/hosts/:id/found/:project/wipe",
    doc("Deletes such a project from that disk; `name` as a person typed it (admin)", z.object({})),
    body(z.object({ name: z.string().max(200) })),
    async (c) => {
      await finds.wipe(callerOf(c), c.req.param("id"), c.req.param("project"), c.req.valid("json").name);
      return c.json({});
    },
  );
}
