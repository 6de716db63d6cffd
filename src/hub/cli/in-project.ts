/** Commands that speak with a running project itself, over its host's socket, as the browser does. */
import type { Caller } from "../../conat/caller.ts";
import type { Project } from "../../contract/api.ts";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubAccess } from "./client.ts";

/** The socket is closed behind `work`. `project.not-running` when there is nobody to speak with. */
export async function inProject<T>(
  access: HubAccess,
  key: string,
  work: (host: Caller, project: Project) => Promise<T>,
): Promise<T> {
  const project = await access.api.projects.get(key);
  if (project.state !== "running" || project.host_id === null) {
    throw new CodedError({
      code: "project.not-running",
      title: `The project ${project.name} is ${project.state}`,
      fix: "Start it first.",
      command: `cocalc-hub project start ${project.project_id}`,
      exit: EX.TEMPFAIL,
    });
  }
  const host = await access.host(project.host_id);
  try {
    return await work(host, project);
  } finally {
    host.close();
  }
}
