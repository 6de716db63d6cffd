/**
 * What a machine that was a host before brings along: its projects are listed, adopted one by one into this hub, or
 * wiped, and never either by accident: nothing that lives elsewhere is adopted, and who wipes types the name.
 */

import type { Project } from "../../contract/api.ts";
import type { Found } from "../../contract/api-found.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import { foundRoutes } from "../api/found-routes.ts";
import { createImages } from "../artifacts/images.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { SYSTEM } from "../images/system.ts";

export type Finds = ReturnType<typeof createFinds>;
type FoundProject = Found["projects"][number];

export function createFinds(core: HubCore) {
  const { db, hosts, links, projects, audit } = core;

  async function list(caller: Caller, key: string): Promise<Found> {
    const host = await hosts.get(caller, key);
    const told = await links.request(host.host_id, "machine.found", {});
    const found: FoundProject[] = [];
    const ofDigest = new Map(
      createImages(core.paths.images)
        .list()
        .flatMap((one) => [one, ...one.previous].map(({ digest }) => [digest, one.image] as const)),
    );
    const system = host.report?.system_image?.digest;
    const imageOf = (digest: string | null) =>
      ofDigest.get(digest ?? "") ?? (digest !== null && digest === system ? SYSTEM : "base");
    for (const one of told.projects) {
      const row = await projects.row(one.project_id);
      if (row?.host_id === host.host_id) continue;
      const lives = row?.host_id
        ? (await hosts.row(row.host_id))?.state !== "gone"
        : row?.state === "archived";
      found.push({
        ...one,
        // Files alone do not say what they are called.
        name: one.image === "" ? (row?.name ?? one.name) : one.name,
        image: one.image === "" ? (row?.image ?? imageOf(one.digest)) : one.image,
        state: row === undefined ? "unknown" : lives ? "elsewhere" : "homeless",
      });
    }
    return { pool: told.pool, projects: found };
  }

  async function one(caller: Caller, key: string, projectId: string) {
    assertAdmin(caller);
    const host = await hosts.get(caller, key);
    const project = (await list(caller, key)).projects.find((found) => found.project_id === projectId);
    if (!project) throw notFound("project", projectId);
    return { host, project };
  }

  return {
    list,
    /** With the files that are there, stopped. Errors: `found.lives-elsewhere`. */
    async adopt(caller: Caller, key: string, projectId: string): Promise<Project> {
      const { host, project } = await one(caller, key, projectId);
      if (project.state === "elsewhere") {
        throw new CodedError({
          code: "found.lives-elsewhere",
          title: `${project.name} lives on another host, or in the repository`,
          why: "What is here is an older copy; adopted, it would take the place of the newer one.",
          fix: "Copy what you need from a backup; wipe the copy here if nobody needs it.",
          status: 409,
          exit: EX.DATAERR,
        });
      }
      if (project.state === "unknown") {
        await projects.create(caller, {
          project_id: project.project_id,
          name: project.name,
          description: "",
          host_id: host.host_id,
          image: project.image,
          limits: project.limits,
        });
      } else await projects.moveTo(project.project_id, host.host_id, "stopped");
      // The host takes no order that is older than the last one it had.
      await db
        .updateTable("projects")
        .set((eb) => ({ generation: eb("generation", "+", project.generation + 1) }))
        .where("project_id", "=", project.project_id)
        .execute();
      await core.projectService.announce(project.project_id, new AbortController().signal);
      await audit.write(caller.name, "project.adopt", project.project_id, {
        host: host.name,
        was: project.state,
      });
      const made = await db
        .selectFrom("members")
        .select("account_id")
        .where("project_id", "=", project.project_id)
        .where("role", "=", "owner")
        .executeTakeFirst();
      return await projects.get(
        { ...caller, account_id: made?.account_id ?? caller.account_id },
        project.project_id,
      );
    },
    /** `name`: as a person typed it. Errors: `found.name-differs`. */
    async wipe(caller: Caller, key: string, projectId: string, name: string): Promise<void> {
      const { host, project } = await one(caller, key, projectId);
      if (project.name !== name) {
        throw new CodedError({
          code: "found.name-differs",
          title: "Nothing was wiped",
          why: `The project is called ${project.name}, not ${name}.`,
          fix: "Type its name as it is: this cannot be undone.",
          status: 409,
          exit: EX.USAGE,
        });
      }
      await links.request(host.host_id, "project.remove", { project_id: projectId }, { timeout: 300_000 });
      await audit.write(caller.name, "project.wipe", projectId, {
        host: host.name,
        name,
        was: project.state,
      });
    },
  };
}

export function createFound(core: HubCore): HubFeature {
  const finds = createFinds(core);
  return { routes: (api) => foundRoutes(api, finds) };
}
