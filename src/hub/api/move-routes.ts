import type { Hono } from "hono";
import { z } from "zod";
import { nameSchema, operationSchema } from "../../contract/api.ts";
import { homePathSchema } from "../../contract/api-backups.ts";
import type { Moves } from "../backups/moves.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

const host = z.string().min(1).max(200);
/** Of a project on the image `system`: a host with other programs is right. */
const other_system = z.boolean().default(false);

export function moveRoutes(api: Hono<ApiEnv>, moves: Moves): void {
  api.post(
    "/projects/:id/move",
    doc("Moves a project to another host", operationSchema, 202),
    body(z.object({ host_id: host, from_backup: z.boolean().default(false), other_system })),
    async (c) => {
      const { host_id, from_backup, other_system: otherSystem } = c.req.valid("json");
      const how = { fromBackup: from_backup, otherSystem };
      return c.json(await moves.move(callerOf(c), c.req.param("id"), host_id, how), 202);
    },
  );
  api.post(
    "/projects/:id/clone",
    doc("Makes another project with the same files", operationSchema, 202),
    body(z.object({ name: nameSchema, host_id: host.optional(), other_system })),
    async (c) => {
      const { name, host_id: to, other_system: otherSystem } = c.req.valid("json");
      return c.json(await moves.clone(callerOf(c), c.req.param("id"), name, { to, otherSystem }), 202);
    },
  );
  api.post(
    "/projects/:id/archive",
    doc("Keeps a project in the repository alone", operationSchema, 202),
    async (c) => c.json(await moves.archive(callerOf(c), c.req.param("id")), 202),
  );
  api.post(
    "/projects/:id/unarchive",
    doc("Brings an archived project back to a host", operationSchema, 202),
    body(z.object({ host_id: host.optional(), other_system })),
    async (c) => {
      const { host_id: to, other_system: otherSystem } = c.req.valid("json");
      return c.json(await moves.unarchive(callerOf(c), c.req.param("id"), { to, otherSystem }), 202);
    },
  );
  api.post(
    "/projects/:id/copy",
    doc("Copies files and folders of another project into this one", operationSchema, 202),
    body(z.object({ from: host, paths: z.array(homePathSchema).min(1).max(100) })),
    async (c) => {
      const { from, paths } = c.req.valid("json");
      return c.json(await moves.copy(callerOf(c), c.req.param("id"), from, paths), 202);
    },
  );
}
