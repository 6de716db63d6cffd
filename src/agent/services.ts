/**
 * The agent's router: one attachment per connection of the host. What answers is loaded at the first request,
 * because most projects idle most of the time, fifty of them on one machine, and the schemas alone cost a megabyte.
 */
import { Router } from "../conat/router.ts";
import type { Surroundings } from "./child-env.ts";
import type { Dispatch } from "./dispatch.ts";

export interface Services {
  router: Router<"host">;
  /** Ends the terminals. */
  close(): void;
}

export function agentServices(around: Surroundings, env: Record<string, string | undefined>): Services {
  const prefix = `project.${around.project_id}.`;
  const router = new Router<"host">();
  const changed = (what: unknown) => {
    for (const { peer } of router.attachments) peer.publish(`${prefix}changed`, what);
  };
  let loading: Promise<Dispatch> | undefined;
  const load = () => {
    loading ??= import("./dispatch.ts").then(({ dispatcher }) => dispatcher(around, env, changed));
    return loading;
  };
  router.handle(`${prefix}>`, async (subject, data) => {
    const dispatch = await load();
    return await dispatch.request(subject.slice(prefix.length), data);
  });
  router.handleStream(`${prefix}>`, async (subject, params, stream) => {
    const dispatch = await load();
    await dispatch.stream(subject.slice(prefix.length), params, stream);
  });
  return {
    router,
    close: () => void loading?.then(({ terminals }) => terminals.closeAll()),
  };
}
