import type { Hono } from "hono";
import { z } from "zod";
import { auditEntrySchema, doctorReportSchema, settingSchema } from "../../contract/api.ts";
import { assertAdmin } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { Health } from "../health/index.ts";
import type { Settings } from "../settings/settings.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface AdminRouteDeps {
  settings: Settings;
  audit: Audit;
  health: Health;
}

export function adminRoutes(api: Hono<ApiEnv>, deps: AdminRouteDeps): void {
  api.get("/settings", doc("Settings with their sources (admin)", z.array(settingSchema)), async (c) =>
    c.json(await deps.settings.list(callerOf(c))),
  );
  api.put(
    "/settings",
    doc("Changes settings; all or none (admin)", z.array(settingSchema)),
    body(z.record(z.string(), z.unknown())),
    async (c) => c.json(await deps.settings.set(callerOf(c), c.req.valid("json"))),
  );
  api.get("/doctor", doc("The last report, or null (admin)", doctorReportSchema.nullable()), (c) => {
    assertAdmin(callerOf(c));
    return c.json(deps.health.last());
  });
  api.post("/doctor", doc("Runs all checks now (admin)", doctorReportSchema), async (c) => {
    assertAdmin(callerOf(c));
    return c.json(await deps.health.run());
  });
  api.get("/audit", doc("Who did what, newest first (admin)", z.array(auditEntrySchema)), async (c) =>
    c.json(await deps.audit.list(callerOf(c))),
  );
}
