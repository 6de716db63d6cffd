/** Where a project's pages are, and whether an account may see them: believed for a few seconds, judged anew then. */
import { CodedError } from "../../core/errors.ts";
import type { Ports } from "../../core/ports.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { type Caller, LOCAL_ADMIN, notFound } from "../accounts/caller.ts";
import type { HostStore } from "../hosts/store.ts";
import type { ProjectStore } from "../projects/store.ts";

export interface ProjectRoute {
  host_id: string;
  /** On 127.0.0.1: the tunnel's, or the host daemon's own on the hub's machine. */
  port: number;
}

const BELIEVED_MS = 3_000;

export function createDirectory(deps: {
  projects: ProjectStore;
  hosts: HostStore;
  accounts: Accounts;
  ports: Ports;
  isUp: (hostId: string) => boolean;
}) {
  const cache = new Map<string, { route: ProjectRoute; until: number }>();

  async function hostPort(hostId: string): Promise<number | undefined> {
    const host = await deps.hosts.find(hostId);
    if (!host || host.state === "gone") return undefined;
    return host.type.kind === "local" ? deps.ports.hostHttp : host.http_port;
  }

  async function callerFor(accountId: string): Promise<Caller> {
    if (accountId === LOCAL_ADMIN.account_id) return LOCAL_ADMIN;
    const account = await deps.accounts.byId(accountId);
    if (!account || account.suspended) throw notFound("account", accountId);
    return {
      account_id: accountId,
      name: account.name,
      email: account.email,
      admin: account.role === "admin",
      via: "cookie",
    };
  }

  async function look(accountId: string, projectId: string): Promise<ProjectRoute> {
    const project = await deps.projects.get(await callerFor(accountId), projectId, "collaborator");
    const { host_id } = project;
    const port = host_id === null ? undefined : await hostPort(host_id);
    if (host_id === null || port === undefined) throw notFound("project", projectId);
    if (project.state === "away" || !deps.isUp(host_id)) {
      throw new CodedError({
        code: "host.away",
        title: `${project.host_name ?? "Its host"} does not answer`,
        why: `The project ${project.name} is on it. The machine is off, or its network is down.`,
        fix: "It connects again by itself; reload in a moment. An admin sees more on the Hosts page.",
        status: 504,
      });
    }
    if (project.state !== "running") {
      throw new CodedError({
        code: "project.not-running",
        title: `The project ${project.name} is ${project.state}`,
        why: project.problem?.title ?? "Its web servers run only while it does.",
        fix: "Open the project and start it.",
        status: 503,
      });
    }
    return { host_id, port };
  }

  return {
    hostPort,
    async route(accountId: string, projectId: string): Promise<ProjectRoute> {
      const key = `${accountId} ${projectId}`;
      const known = cache.get(key);
      if (known && known.until > Date.now()) return known.route;
      cache.delete(key);
      const route = await look(accountId, projectId);
      if (cache.size > 10_000) cache.clear();
      cache.set(key, { route, until: Date.now() + BELIEVED_MS });
      return route;
    },
    /** Something about a project changed: ask anew. */
    forget(): void {
      cache.clear();
    },
  };
}
export type Directory = ReturnType<typeof createDirectory>;
