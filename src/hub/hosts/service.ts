/** What an admin does with hosts, and what their sockets are granted. */
import type { KeyObject } from "node:crypto";
import type { Host, JoinToken, JoinTokenCreated } from "../../contract/api.ts";
import { CONAT_GRANT_SECONDS, signGrant } from "../../contract/grants.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { fingerprint } from "../../core/ssh-keys.ts";
import { urlHost } from "../../core/url-host.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { ProjectStore } from "../projects/store.ts";
import type { ControlLinks } from "./control-link.ts";
import type { HubIdentity, JoinTokens } from "./join-tokens.ts";
import { assertNotOwnMachine } from "./own-machine.ts";
import type { HostStore } from "./store.ts";

export type HostService = ReturnType<typeof createHostService>;

export function createHostService(deps: {
  hosts: HostStore;
  tokens: JoinTokens;
  links: ControlLinks;
  projects: ProjectStore;
  audit: Audit;
  identity: HubIdentity;
  /** Of the hub's sshd, `ssh-ed25519 …`. */
  sshPublicKey: string;
  grantKey: KeyObject;
  /** Renders authorized_keys anew and ends the session of a key that is no longer in it. */
  keysChanged(endedHostId?: string): Promise<void>;
}) {
  const { hosts, tokens, audit } = deps;

  async function createToken(caller: Caller): Promise<JoinTokenCreated> {
    const created = await tokens.create(caller, "self-host");
    await deps.keysChanged();
    const { identity } = deps;
    const address = identity.addresses()[0] ?? "127.0.0.1";
    const script_url = `https://${urlHost(address)}:${identity.https_port}/install.sh`;
    const pinned_pubkey = `sha256//${identity.tls_pin()}`;
    return {
      ...created,
      script_url,
      pinned_pubkey,
      // curl checks the pin only with -k beside it; `curl | sh` would hide curl's failure.
      line: `f=$(mktemp) && curl -fsSLk --pinnedpubkey '${pinned_pubkey}' ${script_url} -o "$f" && printf %s '${created.token}' | sh "$f"`,
    };
  }

  return {
    list: (caller: Caller): Promise<Host[]> => hosts.list(caller),
    get: (caller: Caller, key: string): Promise<Host> => hosts.get(caller, key),
    async rename(caller: Caller, key: string, name: string): Promise<Host> {
      const host = await hosts.get(caller, key);
      await hosts.rename(caller, host.host_id, name);
      return await hosts.get(caller, host.host_id);
    },
    /** Errors: `host.is-the-hub`, `host.not-found`. */
    async revoke(caller: Caller, key: string): Promise<Host> {
      const host = await hosts.get(caller, key);
      assertNotOwnMachine(host);
      await hosts.revokeKey(host.host_id);
      await hosts.setState(host.host_id, "offline", {
        code: "host.key-revoked",
        title: `The key of ${host.name} was revoked`,
        why: `${caller.name} revoked it.`,
        fix: "To use the machine again, add it as a new one.",
      });
      await deps.keysChanged(host.host_id);
      deps.links.close(host.host_id);
      await audit.write(caller.name, "host.revoke", host.host_id, { name: host.name });
      return await hosts.get(caller, host.host_id);
    },
    /**
     * The way out of a changed key, whichever side it is on: the host's new key is registered, or the host is told
     * that the hub's sshd has another. `wanted` is the fingerprint that a person has compared.
     */
    async acceptKey(caller: Caller, key: string, wanted: string): Promise<Host> {
      const host = await hosts.get(caller, key);
      const row = await hosts.row(host.host_id);
      const change = host.changed_key;
      if (!row || change?.shown !== wanted) {
        throw new CodedError({
          code: "host.no-such-key-offered",
          title: `${host.name} did not show a key with this fingerprint`,
          why: change
            ? `It showed ${change.shown ?? "a key that could not be read"}.`
            : "No key has changed.",
          fix: "Compare it with what the machine itself prints: cocalc-project-host status",
          status: 409,
          exit: EX.DATAERR,
        });
      }
      if (!change.acceptable) {
        throw new CodedError({
          code: "host.not-our-key",
          title: "That is not this hub's SSH key",
          why: `The machine met it at ${change.from}; the hub's own is ${fingerprint(deps.sshPublicKey)}.`,
          fix: "Another machine has that address, or somebody is in between: correct public_host or the network.",
          status: 409,
          exit: EX.NOPERM,
        });
      }
      if (change.side === "host" && row.offered_key !== null) {
        await hosts.replaceKey(host.host_id, row.offered_key);
        await deps.keysChanged(host.host_id);
        deps.links.close(host.host_id);
      } else await deps.links.request(host.host_id, "hub-key.trust", { ssh_host_key: deps.sshPublicKey });
      await audit.write(caller.name, "host.accept-key", host.host_id, {
        side: change.side,
        fingerprint: wanted,
      });
      return await hosts.get(caller, host.host_id);
    },
    /** Rights of a browser's socket: the caller's own projects on that host, nothing else. */
    async grant(caller: Caller, hostId: string): Promise<{ grant: string; expires_at: string }> {
      const projects = await deps.projects.onHost(caller, hostId);
      // Whether there is such a host is told only to who has something there.
      if (projects.length === 0 && !caller.admin) throw notFound("host", hostId);
      if ((await hosts.find(hostId)) === undefined) throw notFound("host", hostId);
      const grant = await signGrant(
        { kind: "conat", sub: caller.account_id, name: caller.name, projects },
        { key: deps.grantKey as never, hubId: deps.identity.hub_id, hostId, seconds: CONAT_GRANT_SECONDS },
      );
      return { grant, expires_at: new Date(Date.now() + CONAT_GRANT_SECONDS * 1000).toISOString() };
    },
    listTokens: (caller: Caller): Promise<JoinToken[]> => tokens.list(caller),
    createToken,
    async revokeToken(caller: Caller, id: string): Promise<void> {
      assertAdmin(caller);
      await tokens.revoke(caller, id);
      await deps.keysChanged();
    },
  };
}
