/**
 * The API as functions, for the UI, the command line and scripts alike. A failure is a {@link CodedError} with the
 * hub's own problem in it.
 *
 * @example const hub = createApiClient({ base: "https://hub:9200", headers: { authorization: `Bearer ${key}` } })
 */
import { z } from "zod";
import { CodedError } from "../core/errors.ts";
import {
  type Account,
  type ApiKey,
  accountSchema,
  apiKeyCreatedSchema,
  apiKeySchema,
  auditEntrySchema,
  doctorReportSchema,
  hostSchema,
  joinTokenCreatedSchema,
  joinTokenSchema,
  type Limits,
  meSchema,
  operationSchema,
  projectSchema,
  settingSchema,
  setupStatusSchema,
} from "./api.ts";
import { appsClient } from "./api-apps.ts";
import { imageSchema, prunedSchema } from "./api-images.ts";
import {
  type AddSshKey,
  projectSshSchema,
  sshConfigSchema,
  sshGatewaySchema,
  sshKeySchema,
} from "./api-ssh.ts";
import { backupsClient } from "./client-backups.ts";
import { commandsClient } from "./client-commands.ts";
import { foundClient } from "./client-found.ts";
import { leavingClient } from "./client-leaving.ts";
import { machinesClient } from "./client-machines.ts";
import { peopleClient } from "./client-people.ts";
import { snapshotCalls } from "./client-snapshots.ts";
import { vmsClient } from "./client-vms.ts";
import { problemSchema } from "./problem.ts";
import { projectUsageSchema } from "./usage.ts";

export type FetchLike = (url: string, init: RequestInit) => Promise<Response>;
export interface ApiClientOptions {
  /** Origin of the hub; empty in the browser. */
  base?: string;
  headers?: Record<string, string>;
  fetch?: FetchLike;
}
export type ApiCall = <S extends z.ZodType>(
  method: string,
  path: string,
  schema: S,
  body?: unknown,
) => Promise<z.output<S>>;
export type ApiClient = ReturnType<typeof createApiClient>;

const grantReplySchema = z.object({ grant: z.string(), expires_at: z.iso.datetime() });
const linesSchema = z.object({ lines: z.array(z.string()) });
const invitationSchema = z.object({ url: z.string(), expires_at: z.iso.datetime() });
const okSchema = z.object({}).loose();

/** The problem in an answer that is none of the good ones. */
export async function problemOf(response: Response): Promise<CodedError> {
  const text = await response.text();
  try {
    const problem = problemSchema.parse(JSON.parse(text));
    return new CodedError({ ...problem, status: response.status, exit: exitOf(response.status) });
  } catch {
    return new CodedError({
      code: `http.${response.status}`,
      title: `The hub answered ${response.status} ${response.statusText}`,
      why: text.slice(0, 300) || "It said no more.",
      status: response.status,
      exit: exitOf(response.status),
    });
  }
}

/** sysexits for what HTTP says. */
function exitOf(status: number): number {
  if (status === 401 || status === 403) return 77;
  if (status === 404 || status === 410) return 66;
  if (status === 409 || status === 429 || status >= 502) return 75;
  return status < 500 ? 65 : 70;
}

export function createApiClient(options: ApiClientOptions = {}) {
  const doFetch: FetchLike = options.fetch ?? ((url, init) => fetch(url, init));

  /** The answer as it is, once it is no failure. */
  async function send(method: string, path: string, body?: unknown): Promise<Response> {
    let response: Response;
    try {
      response = await doFetch(`${options.base ?? ""}/api${path}`, {
        method,
        headers: {
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...options.headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError(
        {
          code: "hub.unreachable",
          title: "The hub does not answer",
          why: error instanceof Error ? error.message : String(error),
          fix: "Is it running, and is this the right address or data directory?",
          status: 503,
          exit: 69,
        },
        { cause: error },
      );
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
  async function call<S extends z.ZodType>(
    method: string,
    path: string,
    schema: S,
    body?: unknown,
  ): Promise<z.output<S>> {
    return schema.parse(await (await send(method, path, body)).json());
  }
  const id = encodeURIComponent;

  return {
    apps: appsClient(call),
    setup: {
      status: () => call("GET", "/setup", setupStatusSchema),
      run: (body: { token: string; name: string; email: string; password: string }) =>
        call("POST", "/setup", accountSchema, body),
    },
    signIn: (email: string, password: string) =>
      call("POST", "/auth/sign-in/email", okSchema, { email, password }),
    signOut: () => call("POST", "/auth/sign-out", okSchema, {}),
    changePassword: (currentPassword: string, newPassword: string) =>
      call("POST", "/auth/change-password", okSchema, {
        currentPassword,
        newPassword,
        revokeOtherSessions: true,
      }),
    me: {
      get: () => call("GET", "/me", meSchema),
      rename: (name: string) => call("PATCH", "/me", meSchema, { name }),
      keys: (): Promise<ApiKey[]> => call("GET", "/me/api-keys", z.array(apiKeySchema)),
      createKey: (name: string) => call("POST", "/me/api-keys", apiKeyCreatedSchema, { name }),
      deleteKey: (key: string) => call("DELETE", `/me/api-keys/${id(key)}`, okSchema),
    },
    ssh: {
      keys: () => call("GET", "/me/ssh-keys", z.array(sshKeySchema)),
      addKey: (body: AddSshKey) => call("POST", "/me/ssh-keys", sshKeySchema, body),
      removeKey: (key: string) => call("DELETE", `/me/ssh-keys/${id(key)}`, okSchema),
      config: () => call("GET", "/me/ssh-config", sshConfigSchema),
      project: (project: string) => call("GET", `/projects/${id(project)}/ssh`, projectSshSchema),
      host: (host: string) => call("GET", `/hosts/${id(host)}/ssh`, sshGatewaySchema),
      projectKeys: (project: string) =>
        call("GET", `/projects/${id(project)}/ssh-keys`, z.array(sshKeySchema)),
      addProjectKey: (project: string, body: AddSshKey) =>
        call("POST", `/projects/${id(project)}/ssh-keys`, sshKeySchema, body),
      removeProjectKey: (project: string, key: string) =>
        call("DELETE", `/projects/${id(project)}/ssh-keys/${id(key)}`, okSchema),
    },
    projects: {
      list: () => call("GET", "/projects", z.array(projectSchema)),
      get: (project: string) => call("GET", `/projects/${id(project)}`, projectSchema),
      create: (body: {
        name: string;
        description?: string;
        host_id?: string;
        image?: string;
        limits?: Partial<Limits>;
      }) => call("POST", "/projects", projectSchema, body),
      update: (
        project: string,
        body: {
          name?: string;
          description?: string;
          limits?: Partial<Limits>;
          idle_minutes?: number | null;
        },
      ) => call("PATCH", `/projects/${id(project)}`, projectSchema, body),
      start: (project: string) => call("POST", `/projects/${id(project)}/start`, operationSchema),
      stop: (project: string) => call("POST", `/projects/${id(project)}/stop`, operationSchema),
      restart: (project: string) => call("POST", `/projects/${id(project)}/restart`, operationSchema),
      remove: (project: string) => call("DELETE", `/projects/${id(project)}`, operationSchema),
      usage: (project: string) => call("GET", `/projects/${id(project)}/usage`, projectUsageSchema),
      logs: (project: string) => call("GET", `/projects/${id(project)}/logs`, linesSchema),
    },
    people: peopleClient(call),
    snapshots: snapshotCalls(call),
    hosts: {
      list: () => call("GET", "/hosts", z.array(hostSchema)),
      get: (host: string) => call("GET", `/hosts/${id(host)}`, hostSchema),
      rename: (host: string, name: string) => call("PATCH", `/hosts/${id(host)}`, hostSchema, { name }),
      revoke: (host: string) => call("POST", `/hosts/${id(host)}/revoke`, hostSchema),
      acceptKey: (host: string, fingerprint: string) =>
        call("POST", `/hosts/${id(host)}/accept-key`, hostSchema, { fingerprint }),
      grant: (host: string) => call("POST", `/hosts/${id(host)}/grant`, grantReplySchema),
    },
    machines: machinesClient(call),
    leaving: leavingClient(call),
    commands: commandsClient(call),
    found: foundClient(call),
    joinTokens: {
      list: () => call("GET", "/join-tokens", z.array(joinTokenSchema)),
      create: () => call("POST", "/join-tokens", joinTokenCreatedSchema, {}),
      revoke: (token: string) => call("DELETE", `/join-tokens/${id(token)}`, okSchema),
    },
    users: {
      list: (): Promise<Account[]> => call("GET", "/users", z.array(accountSchema)),
      create: (body: { name: string; email: string; password: string; role: "admin" | "user" }) =>
        call("POST", "/users", accountSchema, body),
      update: (user: string, body: { role?: "admin" | "user"; suspended?: boolean }) =>
        call("PATCH", `/users/${id(user)}`, accountSchema, body),
      invite: (role: "admin" | "user") => call("POST", "/invitations", invitationSchema, { role }),
      accept: (body: { token: string; name: string; email: string; password: string }) =>
        call("POST", "/invitations/accept", accountSchema, body),
    },
    settings: {
      list: () => call("GET", "/settings", z.array(settingSchema)),
      set: (changes: Record<string, unknown>) => call("PUT", "/settings", z.array(settingSchema), changes),
    },
    backups: backupsClient(call, (path) => send("GET", path)),
    images: {
      list: () => call("GET", "/images", z.array(imageSchema)),
      prune: () => call("POST", "/images/prune", prunedSchema),
      remove: (name: string) => call("DELETE", `/images/${id(name)}`, okSchema),
    },
    vms: vmsClient(call),
    operations: {
      list: () => call("GET", "/operations", z.array(operationSchema)),
      get: (operation: string) => call("GET", `/operations/${id(operation)}`, operationSchema),
      cancel: (operation: string) => call("POST", `/operations/${id(operation)}/cancel`, operationSchema),
    },
    doctor: {
      last: () => call("GET", "/doctor", doctorReportSchema.nullable()),
      run: () => call("POST", "/doctor", doctorReportSchema),
    },
    audit: () => call("GET", "/audit", z.array(auditEntrySchema)),
    /** Local administration: over the unix socket alone. */
    local: {
      setupUrls: () =>
        call(
          "GET",
          "/local/setup-urls",
          z.object({
            needed: z.boolean(),
            loopback: z.string(),
            lan: z.array(z.string()),
            token: z.string().nullable(),
          }),
        ),
      joinToken: () => call("POST", "/local/join-token", z.object({ token: z.string() }), { kind: "local" }),
      hasLocalHost: () => call("GET", "/local/host", z.object({ there: z.boolean() })),
    },
  };
}
