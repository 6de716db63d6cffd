/** SSH into projects: keys, who may log in where, what a person needs for it, and what was logged in. */
import type { Hono } from "hono";
import { z } from "zod";
import {
  addSshKeySchema,
  type ProjectSsh,
  projectSshSchema,
  type SshConfigData,
  type SshGatewayInfo,
  sshConfigSchema,
  sshGatewaySchema,
  sshKeySchema,
} from "../../contract/api-ssh.ts";
import type { SshLogin } from "../../contract/host-verbs/ssh.ts";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { fingerprint } from "../../core/ssh-keys.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import { type ApiEnv, body, callerOf, doc } from "../api/kit.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { createAccessPush } from "./push.ts";
import { createSshKeyStore } from "./store.ts";

const log = logger("ssh");

export function createSsh(core: HubCore): HubFeature {
  const { db, projects, links, audit, accounts, identity, settings, events } = core;
  const keys = createSshKeyStore(core);
  const push = createAccessPush(core);
  /** Who may jump through the hub's sshd follows from the same tables. */
  const rendered = () =>
    core.keysChanged().catch((error: unknown) => log.warn("authorized_keys", { why: messageOf(error) }));
  /** What a person changed counts once it is told that it did: on the hosts that can be reached, and on the hub's sshd. */
  const inForce = async () => {
    await Promise.all([push.settle(), rendered()]);
  };
  const unfollow = events.onChanged(({ kind }) => {
    if (kind === "project" || kind === "user" || kind === "settings") schedule();
  });
  let pending: ReturnType<typeof setTimeout> | undefined;
  const schedule = () => {
    pending ??= setTimeout(() => {
      pending = undefined;
      void rendered();
    }, 50);
  };

  links.on("ssh-login", async (hostId, login) => await loggedIn(hostId, login));

  async function loggedIn(hostId: string, login: SshLogin): Promise<void> {
    const project = await projects.row(login.project_id);
    const name = login.account_id === null ? undefined : (await accounts.byId(login.account_id))?.name;
    await audit.write(name ?? `key ${login.fingerprint}`, "ssh.login", login.project_id, {
      by: login.by,
      fingerprint: login.fingerprint,
      from: login.address ?? "through the host's tunnel",
      client: login.client,
      host_id: hostId,
      ...(login.woke ? { started: true } : {}),
    });
    // A host speaks for the projects that are on it, and for no others.
    if (project?.host_id !== hostId) return;
    if (login.by === "account" && login.account_id !== null)
      await keys.used({ account_id: login.account_id, project_id: null }, login.fingerprint, login.address);
    if (login.by === "project")
      await keys.used({ account_id: null, project_id: login.project_id }, login.fingerprint, login.address);
    if (login.woke && project.desired_state === "stopped")
      await projects.setDesired(login.project_id, "running");
  }

  async function jump(): Promise<ProjectSsh["jump"]> {
    if ((await settings.get("ssh_jump")) === "off") return null;
    return {
      user: identity.ssh_user,
      port: identity.sshd_port,
      host_key: core.sshKey.publicLine,
      fingerprint: fingerprint(core.sshKey.publicLine),
    };
  }

  async function gateways(hostIds: string[]): Promise<SshConfigData["gateways"]> {
    if (hostIds.length === 0) return [];
    const rows = await db
      .selectFrom("hosts")
      .leftJoin("ssh_gateways", "ssh_gateways.host_id", "hosts.host_id")
      .select([
        "hosts.host_id",
        "hosts.name",
        "hosts.ssh_port",
        "ssh_gateways.host_key",
        "ssh_gateways.listening",
      ])
      .where("hosts.host_id", "in", hostIds)
      .execute();
    return rows.map((row) => ({
      host_id: row.host_id,
      host_name: row.name,
      port: row.ssh_port,
      host_key: row.host_key,
      fingerprint: row.host_key === null ? null : fingerprint(row.host_key),
      listening: row.listening === 1,
    }));
  }

  async function ofProject(caller: Caller, key: string): Promise<ProjectSsh> {
    const project = await projects.get(caller, key, "collaborator");
    const [gateway] = await gateways(project.host_id === null ? [] : [project.host_id]);
    return {
      user: project.project_id,
      addresses: identity.addresses(),
      gateway: gateway ?? null,
      jump: await jump(),
      your_keys: await keys.own(caller),
      project_keys: await keys.ofProject(caller, project.project_id),
    };
  }

  async function ofHost(caller: Caller, hostId: string): Promise<SshGatewayInfo> {
    assertAdmin(caller);
    const [gateway] = await gateways([hostId]);
    if (gateway === undefined) throw notFound("host", hostId);
    return gateway;
  }

  async function config(caller: Caller): Promise<SshConfigData> {
    const all = (await projects.list(caller)).filter((one) => one.role !== "viewer");
    return {
      hub_id: identity.hub_id,
      addresses: identity.addresses(),
      jump: await jump(),
      gateways: await gateways([...new Set(all.flatMap((one) => one.host_id ?? []))]),
      projects: all.flatMap(({ project_id, name, host_id }) =>
        host_id === null ? [] : [{ project_id, name, host_id }],
      ),
    };
  }

  return {
    routes(api: Hono<ApiEnv>) {
      const list = z.array(sshKeySchema);
      api.get("/me/ssh-keys", doc("One's SSH keys", list), async (c) => c.json(await keys.own(callerOf(c))));
      api.post(
        "/me/ssh-keys",
        doc("Adds an SSH key", sshKeySchema, 201),
        body(addSshKeySchema),
        async (c) => {
          const added = await keys.addOwn(callerOf(c), c.req.valid("json"));
          await inForce();
          return c.json(added, 201);
        },
      );
      api.delete("/me/ssh-keys/:id", doc("Removes an SSH key; its logins end", z.object({})), async (c) => {
        await keys.removeOwn(callerOf(c), c.req.param("id"));
        await inForce();
        return c.json({});
      });
      api.get("/me/ssh-config", doc("What ~/.ssh/config needs", sshConfigSchema), async (c) =>
        c.json(await config(callerOf(c))),
      );
      api.get(
        "/hosts/:id/ssh",
        doc("A host's SSH gateway and its key (admin)", sshGatewaySchema),
        async (c) => c.json(await ofHost(callerOf(c), c.req.param("id"))),
      );
      api.get("/projects/:id/ssh", doc("How to log in to a project", projectSshSchema), async (c) =>
        c.json(await ofProject(callerOf(c), c.req.param("id"))),
      );
      api.get("/projects/:id/ssh-keys", doc("SSH keys of a project", list), async (c) =>
        c.json(await keys.ofProject(callerOf(c), c.req.param("id"))),
      );
      api.post(
        "/projects/:id/ssh-keys",
        doc("Adds an SSH key to a project", sshKeySchema, 201),
        body(addSshKeySchema),
        async (c) => {
          const added = await keys.addToProject(callerOf(c), c.req.param("id"), c.req.valid("json"));
          await inForce();
          return c.json(added, 201);
        },
      );
      api.delete(
        "/projects/:id/ssh-keys/:key",
        doc("Removes an SSH key of a project; its logins end", z.object({})),
        async (c) => {
          await keys.removeFromProject(callerOf(c), c.req.param("id"), c.req.param("key"));
          await inForce();
          return c.json({});
        },
      );
    },
    async start() {
      push.start();
    },
    async close() {
      unfollow();
      clearTimeout(pending);
      push.close();
    },
  };
}
