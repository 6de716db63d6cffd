/**
 * Reading for viewers. A viewer asks `project.<id>.view.<verb>` with the parameters of `files.<verb>`; its host puts
 * what the owner marked (`roots`, from the viewer's grant) beside them and asks the agent for `shared.<verb>`.
 */
import { z } from "zod";
import type { Caller } from "../../conat/caller.ts";
import { projectRequests, projectStreams } from "../project-services.ts";

/** Folders and files, relative to the project's home unless absolute. */
const roots = z.array(z.string().max(1000)).max(50);

export const viewSubjects = "project.*.view.>";

export const sharedRequests = {
  "shared.list": { request: projectRequests["files.list"].request.extend({ roots }) },
  "shared.stat": { request: projectRequests["files.stat"].request.extend({ roots }) },
} as const;
export const sharedStreams = {
  "shared.read": { params: projectStreams["files.read"].params.extend({ roots }) },
  /** To look on: what comes up is not listened to. */
  "shared.edit": { params: projectStreams["files.edit"].params.extend({ roots }) },
  "shared.watch": { params: projectStreams["files.watch"].params.extend({ roots }) },
} as const;

/** A caller whose questions about files are those of a viewer, so that the same page serves both. */
export function asViewer(caller: Caller): Caller {
  const renamed = (subject: string) => subject.replace(/^(project\.[^.]+)\.files\./, "$1.view.");
  return {
    request: (subject, data, options) => caller.request(renamed(subject), data, options),
    openStream: (subject, params, options) => caller.openStream(renamed(subject), params, options),
    publish: (subject, data) => caller.publish(subject, data),
    subscribe: (pattern, callback) => caller.subscribe(pattern, callback),
  };
}
