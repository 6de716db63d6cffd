/**
 * What a viewer may ask of a project: to read the folders and files that its owner marked. The marks are in the
 * viewer's grant, so they are put into each question here, where the viewer cannot, and the agent keeps to them.
 */

import type { Attachment, Router } from "../conat/router.ts";
import type { ConatStream } from "../conat/stream.ts";
import { sharedRequests, sharedStreams, viewSubjects } from "../contract/project-services/shared.ts";
import { CodedError } from "../core/errors.ts";

/** What the host knows of a browser's socket. */
export interface SessionData {
  account_id: string;
  /** As others read it. */
  name: string;
  /** Projects in which it is a viewer, with what it sees there. */
  views: ReadonlyMap<string, readonly string[]>;
}

export const viewerPattern = (projectId: string): string => `project.${projectId}.view.>`;

function rootsOf(attachment: Attachment<unknown>, projectId: string): readonly string[] {
  const roots = (attachment.data as SessionData | undefined)?.views?.get(projectId);
  if (roots !== undefined) return roots;
  throw new CodedError({
    code: "view.not-a-viewer",
    title: "This is for viewers of the project",
    status: 403,
  });
}

function known<T>(table: Record<string, T>, verb: string): T {
  const found = Object.hasOwn(table, verb) ? table[verb] : undefined;
  if (found !== undefined) return found;
  throw new CodedError({
    code: "view.refused",
    title: "A viewer may only read",
    fix: "Ask the owner to make you a collaborator.",
    status: 403,
  });
}

export function serveViewers(router: Router<unknown>): void {
  const parts = (subject: string) => {
    const [, project_id = "", , ...verb] = subject.split(".");
    return { project_id, verb: verb.join(".") };
  };
  router.handle(viewSubjects, async (subject, data, { attachment }) => {
    const { project_id, verb } = parts(subject);
    const request = known(sharedRequests, `shared.${verb}`).request.parse({
      ...(data as object),
      roots: rootsOf(attachment, project_id),
    });
    return await router.request(`project.${project_id}.shared.${verb}`, request);
  });
  router.handleStream(viewSubjects, async (subject, params, stream, { attachment }) => {
    const { project_id, verb } = parts(subject);
    const request = known(sharedStreams, `shared.${verb}`).params.parse({
      ...(params as object),
      roots: rootsOf(attachment, project_id),
    });
    const source = await router.openStream(`project.${project_id}.shared.${verb}`, request);
    pass(source, stream);
  });
}

/** Down alone: a viewer has nothing to say. */
function pass(from: ConatStream, to: ConatStream): void {
  to.onData(() => {});
  from.onMessage((message) => to.sendMessage(message));
  from.onData(async (bytes) => {
    // Waits for the viewer's credit, so that the agent waits for ours.
    if (!to.closed) await to.write(bytes.slice());
  });
  from.onEnd(() => to.end());
  from.onClose((error) => {
    if (error !== undefined && !to.closed) to.reset(error);
  });
  to.onClose((error) => {
    if (error !== undefined && !from.closed) from.reset(error);
    else from.end();
  });
}
