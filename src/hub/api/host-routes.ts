import type { Hono } from "hono";
import { z } from "zod";
import { hostSchema, joinTokenCreatedSchema, joinTokenSchema, nameSchema } from "../../contract/api.ts";
import type { HostService } from "../hosts/service.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface HostRouteDeps {
  hostService: HostService;
}

export function hostRoutes(api: Hono<ApiEnv>, { hostService }: HostRouteDeps): void {
  api.get("/hosts", doc("All hosts (admin)", z.array(hostSchema)), async (c) =>
    c.json(await hostService.list(callerOf(c))),
  );
  api.get("/hosts/:id", doc("One host (admin)", hostSchema), async (c) =>
    c.json(await hostService.get(callerOf(c), c.req.param("id"))),
  );
  api.patch(
    "/hosts/:id",
    doc("Renames a host (admin)", hostSchema),
    body(z.object({ name: nameSchema })),
    async (c) => c.json(await hostService.rename(callerOf(c), c.req.param("id"), c.req.valid("json").name)),
  );
  api.post("/hosts/:id/revoke", doc("Revokes its key and ends its session (admin)", hostSchema), async (c) =>
    c.json(await hostService.revoke(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/hosts/:id/accept-key",
    doc("Accepts the new key that the host showed (admin)", hostSchema),
    body(z.object({ fingerprint: z.string().startsWith("SHA256:") })),
    async (c) =>
      c.json(await hostService.acceptKey(callerOf(c), c.req.param("id"), c.req.valid("json").fingerprint)),
  );
  api.post(
    "/hosts/:id/grant",
    doc(
      "Rights for a socket to that host, for the caller's projects on it",
      z.object({ grant: z.string(), expires_at: z.string() }),
    ),
    async (c) => c.json(await hostService.grant(callerOf(c), c.req.param("id"))),
  );
  api.get("/join-tokens", doc("Join tokens (admin)", z.array(joinTokenSchema)), async (c) =>
    c.json(await hostService.listTokens(callerOf(c))),
  );
  api.post(
    "/join-tokens",
    doc("Makes a join token and the line to paste (admin)", joinTokenCreatedSchema, 201),
    async (c) => c.json(await hostService.createToken(callerOf(c)), 201),
  );
  api.delete("/join-tokens/:id", doc("Revokes a join token (admin)", z.object({})), async (c) => {
    await hostService.revokeToken(callerOf(c), c.req.param("id"));
    return c.json({});
  });
}
