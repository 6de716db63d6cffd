/** Plus: the same hub for one person, one project and this machine. Here the three come to be, without anybody asked. */

import { createPublicKey, type KeyObject } from "node:crypto";
import { basename } from "node:path";
import { exportJWK } from "jose";
import type { Account } from "../../contract/api.ts";
import { DEFAULT_LIMITS } from "../../contract/api.ts";
import type { PairResponse } from "../../contract/join-token.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";

const LINK_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** The one account: made at the first start, with a password that nobody knows. */
export function createOwner(accounts: Accounts, name: string): () => Promise<Account> {
  let owner: Promise<Account> | undefined;
  async function find(): Promise<Account> {
    const known = (await accounts.admins())[0];
    if (known) return known;
    return await accounts.createFirst({ name, email: `${name}@localhost`, password: randomToken() });
  }
  return () => {
    owner ??= find().catch((error: unknown) => {
      owner = undefined;
      throw error;
    });
    return owner;
  };
}

export interface Plus {
  /** Opens it in a browser. */
  url: string;
  /** Makes this machine the one host, and returns what a paired host keeps. */
  host(publicKey: string, name: string): Promise<PairResponse>;
  /** The project of this directory, started; made at the first call. */
  open(dir: string, hostId: string): Promise<string>;
}

export function createPlus(
  core: HubCore,
  deps: { url: string; owner: () => Promise<Account>; grantKey: KeyObject; echoNow: () => void },
): Plus {
  return {
    url: deps.url,
    async host(publicKey, name) {
      await deps.owner();
      const host = await core.hosts.register({ public_key: publicKey, name, type: { kind: "local" } });
      for (const step of ["token-accepted", "key-registered"] as const)
        await core.hosts.setStep(host.host_id, step, { state: "done" });
      if (host.state === "pairing") await core.hosts.setState(host.host_id, "bootstrapping");
      return {
        host_id: host.host_id,
        hub_id: core.identity.hub_id,
        name: host.name,
        kind: "local",
        hub_public_key: (await exportJWK(createPublicKey(deps.grantKey) as never)) as Record<string, unknown>,
        ca_pem: "",
        addresses: ["127.0.0.1"],
        https_port: core.ports.loopbackUi,
        plain: true,
        sshd_port: core.ports.sshd,
        ssh_host_key: core.sshKey.publicLine,
        ssh_user: core.identity.ssh_user,
        ports: { http: host.http_port, ssh: host.ssh_port },
        time: new Date().toISOString(),
      };
    },
    async open(dir, hostId) {
      const end = Date.now() + LINK_TIMEOUT_MS;
      while (!core.links.isConnected(hostId)) {
        if (Date.now() > end) {
          throw new CodedError({
            code: "host.away",
            title: "The part that runs the project did not connect",
            fix: "Its log is above; start it again.",
            exit: EX.SOFTWARE,
          });
        }
        await Bun.sleep(POLL_MS);
      }
      // Apps are routed once a signed echo went round; the next round would be seconds away.
      deps.echoNow();
      const [known] = await core.projects.list(LOCAL_ADMIN);
      const id =
        known?.project_id ??
        (await core.projects.create(LOCAL_ADMIN, {
          name: basename(dir) || "Files",
          description: dir,
          host_id: hostId,
          image: "base",
          limits: DEFAULT_LIMITS,
        }));
      const { operation_id } = await core.projectService.act(LOCAL_ADMIN, id, "start");
      // Whatever became of it is on the project's page.
      while (["pending", "running"].includes((await core.operations.get(LOCAL_ADMIN, operation_id)).state))
        await Bun.sleep(POLL_MS);
      return id;
    },
  };
}
