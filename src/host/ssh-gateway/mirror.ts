/** Projects as the daemon told of them last: enough to log in to one that runs while the daemon is away. */
import type { Peer } from "../../conat/peer.ts";
import { dialAgentPeer } from "../../contract/agent-dial.ts";
import type { ProjectStatus } from "../../contract/host-control.ts";
import { CodedError } from "../../core/errors.ts";
import type { ProjectWays } from "./connection.ts";
import type { GatewayProject } from "./wire.ts";

export interface Mirror extends ProjectWays {
  all(projects: GatewayProject[]): void;
  one(project: GatewayProject): void;
}

/** `wake` asks the daemon; it throws where that is away. */
export function createMirror(wake: (projectId: string) => void): Mirror {
  let projects = new Map<string, GatewayProject>();
  const known = (projectId: string): GatewayProject => {
    const one = projects.get(projectId);
    if (one !== undefined) return one;
    throw new CodedError({ code: "project.unknown", title: "That project is not on this host" });
  };
  return {
    all(list) {
      projects = new Map(list.map((one) => [one.status.project_id, one]));
    },
    one(project) {
      projects.set(project.status.project_id, project);
    },
    status: (projectId): ProjectStatus | undefined => projects.get(projectId)?.status,
    name: (projectId) => projects.get(projectId)?.name ?? "",
    wake(projectId) {
      const one = known(projectId);
      wake(projectId);
      // Until the daemon says more: what it said last, “failed” perhaps, was before this.
      one.status = { ...one.status, state: "queued", problem: null };
      return one.status;
    },
    async dial(projectId): Promise<Peer> {
      const { agent, status, name } = known(projectId);
      if (agent !== null) return await dialAgentPeer(agent.socket, agent.token);
      throw new CodedError({
        code: "project.not-running",
        title: `The project ${name} is ${status.state}`,
        fix: "Open the project and start it.",
        status: 503,
      });
    },
  };
}
