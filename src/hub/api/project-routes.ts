import type { Hono } from "hono";
import { z } from "zod";
import {
  createProjectSchema,
  operationSchema,
  projectSchema,
  updateProjectSchema,
} from "../../contract/api.ts";
import { projectUsageSchema } from "../../contract/usage.ts";
import type { Operations } from "../operations/operations.ts";
import type { ProjectService } from "../projects/service.ts";
import type { ProjectStore } from "../projects/store.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface ProjectRouteDeps {
  projects: ProjectStore;
  projectService: ProjectService;
  operations: Operations;
}

export function projectRoutes(api: Hono<ApiEnv>, deps: ProjectRouteDeps): void {
  const { projects, projectService, operations } = deps;
  api.get("/projects", doc("The caller's projects", z.array(projectSchema)), async (c) =>
    c.json(await projects.list(callerOf(c))),
  );
  api.post("/projects", doc("Makes a project", projectSchema, 201), body(createProjectSchema), async (c) =>
    c.json(await projectService.create(callerOf(c), c.req.valid("json")), 201),
  );
  api.get("/projects/:id", doc("One project", projectSchema), async (c) =>
    c.json(await projects.get(callerOf(c), c.req.param("id"))),
  );
  api.patch(
    "/projects/:id",
    doc("Changes a project", projectSchema),
    body(updateProjectSchema),
    async (c) => {
      return c.json(await projectService.change(callerOf(c), c.req.param("id"), c.req.valid("json")));
    },
  );
  for (const verb of ["start", "stop", "restart"] as const) {
    api.post(`/projects/:id/${verb}`, doc(`${verb} a project`, operationSchema, 202), async (c) =>
      c.json(await projectService.act(callerOf(c), c.req.param("id"), verb), 202),
    );
  }
  api.delete("/projects/:id", doc("Deletes a project and its data", operationSchema, 202), async (c) =>
    c.json(await projectService.act(callerOf(c), c.req.param("id"), "delete"), 202),
  );
  api.get(
    "/projects/:id/usage",
    doc("What it uses now, and what keeps it awake", projectUsageSchema),
    async (c) => c.json(await projectService.usage(callerOf(c), c.req.param("id"))),
  );
  api.get(
    "/projects/:id/logs",
    doc("Last lines of its log", z.object({ lines: z.array(z.string()) })),
    async (c) => c.json({ lines: await projectService.logs(callerOf(c), c.req.param("id")) }),
  );
  api.get("/operations", doc("What takes or took time", z.array(operationSchema)), async (c) =>
    c.json(await operations.list(callerOf(c))),
  );
  api.get("/operations/:id", doc("One operation", operationSchema), async (c) =>
    c.json(await operations.get(callerOf(c), c.req.param("id"))),
  );
  api.post("/operations/:id/cancel", doc("Cancels an operation", operationSchema), async (c) =>
    c.json(await operations.cancel(callerOf(c), c.req.param("id"))),
  );
}
