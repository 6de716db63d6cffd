import type { Hono } from "hono";
import { z } from "zod";
import { nameSchema, operationSchema } from "../../contract/api.ts";
import { homePathSchema } from "../../contract/api-backups.ts";
import type { Moves } from "../backups/moves.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

const host = z.string().min(1).max(200);

export function moveRoutes(api: Hono<ApiEnv>, moves: Moves): void {
  api.post(
    "/projects/:id/move",
    doc("Moves a project to another host", operationSchema, 202),
    body(z.object({ host_id: host, from_backup: z.boolean().default(false) })),
    async (c) => {
      const { host_id, from_backup } = c.req.valid("json");
      return c.json(await moves.move(callerOf(c), c.req.param("id"), host_id, from_backup), 202);
    },
  );
  api.post(
    "/projects/:id/clone",
    doc("Makes another project with the same files", operationSchema, 202),
    body(z.object({ name: nameSchema, host_id: host.optional() })),
    async (c) => {
      const { name, host_id } = c.req.valid("json");
      return c.json(await moves.clone(callerOf(c), c.req.param("id"), name, host_id), 202);
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
    body(z.object({ host_id: host.optional() })),
    async (c) =>
      c.json(await moves.unarchive(callerOf(c), c.req.param("id"), c.req.valid("json").host_id), 202),
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
