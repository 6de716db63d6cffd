/** Where a project's pages are, and whether an account may see them: believed for a few seconds, judged anew then. */
import type { Project } from "../../contract/api.ts";
import type { AppTarget } from "../../contract/apps.ts";
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

/** `paths`: what a viewer sees; absent for whoever sees all. */
export interface FilesRoute extends ProjectRoute {
  paths?: string[];
}

const BELIEVED_MS = 3_000;

export function createDirectory(deps: {
  projects: ProjectStore;
  hosts: HostStore;
  accounts: Accounts;
  ports: Ports;
  isUp: (hostId: string) => boolean;
}) {
  const cache = new Map<string, { route: FilesRoute; until: number }>();

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

  /** A viewer may open the web servers and apps that the owner marked, and nothing else of what is routed here. */
  async function admitted(accountId: string, projectId: string, target?: AppTarget): Promise<Project> {
    const caller = await callerFor(accountId);
    const project = await deps.projects.get(caller, projectId);
    if (project.role === "viewer" && target !== undefined) {
      const { ports, apps } = await deps.projects.shares(project.project_id);
      if ("port" in target ? ports.includes(target.port) : apps.includes(target.app)) return project;
    }
    return await deps.projects.get(caller, projectId, "collaborator");
  }

  async function whereIs(project: Project): Promise<ProjectRoute> {
    const { host_id } = project;
    const port = host_id === null ? undefined : await hostPort(host_id);
    if (host_id === null || port === undefined) throw notFound("project", project.project_id);
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

  async function believed(key: string, look: () => Promise<FilesRoute>): Promise<FilesRoute> {
    const known = cache.get(key);
    if (known && known.until > Date.now()) return known.route;
    cache.delete(key);
    const route = await look();
    if (cache.size > 10_000) cache.clear();
    cache.set(key, { route, until: Date.now() + BELIEVED_MS });
    return route;
  }

  return {
    hostPort,
    /** `target`: a web server or app of the project; without one it is about the project's pages as such. */
    async route(accountId: string, projectId: string, target?: AppTarget): Promise<ProjectRoute> {
      const what = target === undefined ? "" : JSON.stringify(target);
      return await believed(`${accountId} ${projectId} ${what}`, async () =>
        whereIs(await admitted(accountId, projectId, target)),
      );
    },
    /** Of the project's files, which a viewer sees in part. */
    async filesRoute(accountId: string, projectId: string): Promise<FilesRoute> {
      return await believed(`${accountId} ${projectId} files`, async () => {
        const project = await deps.projects.get(await callerFor(accountId), projectId);
        const route = await whereIs(project);
        if (project.role !== "viewer") return route;
        return { ...route, paths: (await deps.projects.shares(project.project_id)).paths };
      });
    },
    /** Something about a project changed: ask anew. */
    forget(): void {
      cache.clear();
    },
  };
}
export type Directory = ReturnType<typeof createDirectory>;
