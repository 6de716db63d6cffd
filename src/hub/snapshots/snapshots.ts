/** Snapshots of projects: who may, and the way to the host that has them. */
import type { Context, Hono } from "hono";
import { z } from "zod";
import type { Role } from "../../contract/api.ts";
import {
  projectSnapshotsSchema,
  restoredSchema,
  restoreSnapshotSchema,
  snapshotChangesSchema,
  snapshotFilesSchema,
} from "../../contract/api-snapshots.ts";
import { snapshotNameSchema, snapshotSchema } from "../../contract/storage.ts";
import { CodedError } from "../../core/errors.ts";
import { type ApiEnv, body, callerOf, doc } from "../api/kit.ts";
import type { HubCore, HubFeature } from "../core.ts";

/** A snapshot waits for the disk; a folder that is put back is copied. */
const TIMEOUT_MS = 120_000;
const removedSchema = z.object({ removed: z.boolean() });

export function createSnapshots(core: HubCore): HubFeature {
  /** The project and its host, for whoever has that role in it. */
  async function placed(c: Context<ApiEnv>, role: Role) {
    const caller = callerOf(c);
    const project = await core.projects.get(caller, c.req.param("id") ?? "", role);
    if (project.host_id === null) {
      throw new CodedError({
        code: "project.not-placed",
        title: "The project is on no host yet",
        fix: "Start it.",
        status: 409,
      });
    }
    return { caller, project, project_id: project.project_id, host_id: project.host_id };
  }

  /** `request.invalid` for what is no snapshot's name. */
  const nameOf = (c: Context<ApiEnv>) => snapshotNameSchema.parse(c.req.param("name"));
  const pathOf = (c: Context<ApiEnv>) =>
    z
      .string()
      .max(4096)
      .parse(c.req.query("path") ?? "");
  const timeout = { timeout: TIMEOUT_MS };

  return {
    routes(api: Hono<ApiEnv>) {
      const all = "/projects/:id/snapshots";
      const one = `${all}/:name`;
      api.get(all, doc("A project's snapshots and what it uses", projectSnapshotsSchema), async (c) => {
        const { host_id, project_id } = await placed(c, "viewer");
        return c.json(await core.links.request(host_id, "snapshots.list", { project_id }, timeout));
      });
      api.post(
        all,
        doc("Takes a snapshot now; it stays until it is removed", snapshotSchema, 201),
        body(z.object({})),
        async (c) => {
          const { host_id, project_id } = await placed(c, "collaborator");
          return c.json(await core.links.request(host_id, "snapshots.create", { project_id }, timeout), 201);
        },
      );
      api.delete(one, doc("Removes a snapshot", removedSchema), async (c) => {
        const { caller, host_id, project, project_id } = await placed(c, "owner");
        const name = nameOf(c);
        await core.audit.write(caller.name, "snapshot.remove", project_id, { project: project.name, name });
        return c.json(await core.links.request(host_id, "snapshots.remove", { project_id, name }, timeout));
      });
      api.get(`${one}/files`, doc("A folder as it was", snapshotFilesSchema), async (c) => {
        const { host_id, project_id } = await placed(c, "collaborator");
        const offset = z.coerce
          .number()
          .int()
          .min(0)
          .parse(c.req.query("offset") ?? "0");
        const asked = { project_id, name: nameOf(c), path: pathOf(c), offset };
        return c.json(await core.links.request(host_id, "snapshots.files", asked, timeout));
      });
      api.get(`${one}/changes`, doc("What is different now", snapshotChangesSchema), async (c) => {
        const { host_id, project_id } = await placed(c, "collaborator");
        const asked = { project_id, name: nameOf(c), path: pathOf(c) };
        return c.json(await core.links.request(host_id, "snapshots.changes", asked, timeout));
      });
      api.post(
        `${one}/restore`,
        doc("Puts back files, folders or all; how it was until now is kept first", restoredSchema),
        body(restoreSnapshotSchema),
        async (c) => {
          const { paths } = c.req.valid("json");
          const { caller, host_id, project, project_id } = await placed(
            c,
            paths === null ? "owner" : "collaborator",
          );
          const name = nameOf(c);
          await core.audit.write(caller.name, "snapshot.restore", project_id, {
            project: project.name,
            name,
            what: paths === null ? "all" : `${paths.length} paths`,
          });
          const asked = { project_id, name, paths };
          return c.json(await core.links.request(host_id, "snapshots.restore", asked, timeout));
        },
      );
    },
  };
}
