/** What the proxy asks of running projects: byte streams into them, and a few questions. */
import type { Duplex } from "node:stream";
import type { Caller } from "../../conat/caller.ts";
import type { AgentPurpose } from "../../contract/agent-protocol.ts";
import { callProject } from "../../contract/project-client.ts";
import type { Usage } from "../../contract/storage.ts";
import type { Agents } from "../proxy/host-http.ts";

export function projectAgents(deps: {
  known(projectId: string): boolean;
  dial(projectId: string, purpose: AgentPurpose): Promise<Duplex>;
  /** Throws when the project does not run, or its agent does not answer. */
  peer(projectId: string): Caller;
  usage(projectId: string): Promise<Usage>;
}): Agents {
  return {
    known: deps.known,
    splice: (projectId, port) => deps.dial(projectId, { kind: "splice", port }),
    files: (projectId) => deps.dial(projectId, { kind: "files" }),
    async room(projectId) {
      // Where nobody can tell, the kernel still refuses what does not fit.
      const usage = await deps.usage(projectId).catch(() => undefined);
      if (!usage || usage.quota_bytes === null) return undefined;
      return Math.max(0, usage.quota_bytes - usage.used_bytes);
    },
    ports: async (projectId) => (await callProject(deps.peer(projectId), projectId, "ports", {})).ports,
    openApp: async (projectId, request) =>
      await callProject(deps.peer(projectId), projectId, "apps.open", request),
    appLog: async (projectId, request) =>
      await callProject(deps.peer(projectId), projectId, "apps.log", request),
  };
}
