/**
 * The agent's router: one attachment per connection of the host. What answers is loaded at the first request,
 * because most projects idle most of the time, fifty of them on one machine, and the schemas alone cost a megabyte.
 */
import { Router } from "../conat/router.ts";
import { leftBehind } from "./apps/paths.ts";
import type { Surroundings } from "./child-env.ts";
import type { Dispatch } from "./dispatch.ts";
import { editingDir, unsavedLogs } from "./editing/paths.ts";
import type { FilesServer } from "./files-http/serve.ts";

export interface Services {
  router: Router<"host">;
  /** Files over HTTP; made when they are first asked for. */
  files(): Promise<FilesServer>;
  /** Ends the terminals, and writes what people typed. */
  close(): Promise<void>;
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
  // Apps of before the agent was started anew: somebody must see when they are idle.
  if (leftBehind(around.home).length > 0) void load().then((dispatch) => dispatch.request("apps.list", {}));
  router.handle(`${prefix}>`, async (subject, data) => {
    const service = subject.slice(prefix.length);
    // Asked by the host in each of its rounds. Whom nobody has asked for anything yet has no terminal.
    if (loading === undefined && service === "activity") return { viewed: 0, programs: [] };
    const dispatch = await load();
    return await dispatch.request(service, data);
  });
  router.handleStream(`${prefix}>`, async (subject, params, stream) => {
    const dispatch = await load();
    await dispatch.stream(subject.slice(prefix.length), params, stream);
  });
  if (unsavedLogs(editingDir(around)).length > 0) void load().then((dispatch) => dispatch.recoverEdits());
  let files: Promise<FilesServer> | undefined;
  return {
    router,
    files() {
      files ??= import("./files-http/serve.ts").then(({ createFilesServer }) =>
        createFilesServer(around.home),
      );
      return files;
    },
    async close() {
      await (await loading)?.close();
    },
  };
}
