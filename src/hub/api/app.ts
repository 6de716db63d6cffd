/** The API as one Hono app. The server in front has judged origin and host, and found the caller. */
import { Hono } from "hono";
import { generateSpecs } from "hono-openapi";
import { CodedError } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import type { HubFeature } from "../core.ts";
import { plusGuard } from "../plus/guard.ts";
import { type AccountRouteDeps, accountRoutes } from "./account-routes.ts";
import { type AdminRouteDeps, adminRoutes } from "./admin-routes.ts";
import { type HostRouteDeps, hostRoutes } from "./host-routes.ts";
import { type ApiEnv, problemResponse } from "./kit.ts";
import { type LocalRouteDeps, localRoutes } from "./local-routes.ts";
import { type ProjectRouteDeps, projectRoutes } from "./project-routes.ts";
import { type SetupRouteDeps, setupRoutes } from "./setup-routes.ts";

export type ApiDeps = AccountRouteDeps &
  AdminRouteDeps &
  HostRouteDeps &
  LocalRouteDeps &
  ProjectRouteDeps &
  SetupRouteDeps & { features: readonly HubFeature[] };

export function createApi(deps: ApiDeps): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>().basePath("/api");
  api.onError((error) => problemResponse(error));
  api.notFound((c) =>
    problemResponse(
      new CodedError({
        code: "route.not-found",
        title: `There is no ${c.req.method} ${new URL(c.req.url).pathname}`,
        fix: "See /api/openapi.json for what there is.",
        status: 404,
      }),
    ),
  );
  if (deps.product === "plus") api.use("*", plusGuard);
  setupRoutes(api, deps);
  accountRoutes(api, deps);
  projectRoutes(api, deps);
  hostRoutes(api, deps);
  adminRoutes(api, deps);
  localRoutes(api, deps);
  for (const feature of deps.features) feature.routes?.(api);
  let spec: Promise<unknown> | undefined;
  api.get("/openapi.json", async (c) => {
    spec ??= generateSpecs(api, {
      documentation: { info: { title: "CoCalc Launchpad", version: VERSION }, openapi: "3.1.0" },
    });
    return c.json((await spec) as object);
  });
  return api;
}
