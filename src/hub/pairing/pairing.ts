/** Pairing: a machine shows that it has a join token's secret, gives its own public key, and becomes a host. */
import { jwtVerify } from "jose";
import type { HostType } from "../../contract/api.ts";
import type { PairRequest, PairResponse } from "../../contract/join-token.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { decodePublicLine, normalizePublicLine } from "../../core/ssh-keys.ts";
import type { Audit } from "../audit/audit.ts";
import type { HubIdentity, JoinTokens } from "../hosts/join-tokens.ts";
import type { KeyOffers } from "../hosts/key-offers.ts";
import type { HostStore } from "../hosts/store.ts";

const log = logger("pairing");

export type Pairing = ReturnType<typeof createPairing>;

export function createPairing(deps: {
  tokens: JoinTokens;
  hosts: HostStore;
  keyOffers: KeyOffers;
  audit: Audit;
  identity: HubIdentity;
  grantPublicJwk: Record<string, unknown>;
  caPem: string;
  sshHostKey(): string;
  keysChanged(): Promise<void>;
}) {
  /** The proof is a JWT by the key that the secret derives to, over the very key that is registered. */
  async function checkProof(request: PairRequest, pairingKey: string): Promise<void> {
    try {
      const { payload } = await jwtVerify(request.proof ?? "", decodePublicLine(pairingKey) as never, {
        algorithms: ["EdDSA"],
        // A machine with a wrong clock may pair; it is told how wrong it is.
        clockTolerance: Number.MAX_SAFE_INTEGER / 2,
      });
      if (payload.token_id !== request.token_id || payload.public_key !== request.public_key) {
        throw new Error("it was made for another key");
      }
    } catch (error) {
      throw new CodedError(
        {
          code: "join.proof-refused",
          title: "The hub refuses this join token",
          why: `The proof does not fit: ${messageOf(error)}.`,
          fix: "Copy the whole line again from the hub: Hosts, Add a machine.",
          status: 403,
          exit: EX.NOPERM,
        },
        { cause: error },
      );
    }
  }

  /**
   * The hub's own machine that lost its key is the same host with a new one: the token came over the hub's unix socket,
   * and a hub has one machine of its own.
   */
  async function adoptLocal(publicKey: string): Promise<void> {
    const [host] = (await deps.hosts.all()).filter((one) => one.type.kind === "local");
    const row = host && (await deps.hosts.row(host.host_id));
    if (!row || row.public_key === publicKey) return;
    await deps.hosts.replaceKey(row.host_id, publicKey);
    log.warn("the hub's own machine has a new key", { host_id: row.host_id });
  }

  return {
    /** `ssh`: the caller logged in to sshd with the pairing key, which is the proof. `from`: its address. */
    async pair(request: PairRequest, via: "https" | "ssh", from: string): Promise<PairResponse> {
      const publicKey = normalizePublicLine(request.public_key);
      if (via === "https") {
        const key = await deps.tokens.keyOf(request.token_id);
        if (key !== undefined) await checkProof(request, key);
      }
      const token = await deps.tokens.bind(request.token_id, publicKey);
      const type: HostType =
        token.kind === "local" ? { kind: "local" } : { kind: "self-host", self_host_mode: "local" };
      if (token.kind === "local") await adoptLocal(publicKey);
      else if (request.host_id !== undefined)
        await deps.keyOffers.checkFormer(request.host_id, publicKey, from);
      const host = await deps.hosts.register({ public_key: publicKey, name: request.name, type });
      await deps.tokens.usedBy(token.token_id, host.host_id);
      await deps.hosts.setStep(host.host_id, "token-accepted", { state: "done", detail: `over ${via}` });
      await deps.keysChanged();
      await deps.hosts.setStep(host.host_id, "key-registered", { state: "done" });
      await deps.hosts.setState(host.host_id, "bootstrapping");
      await deps.audit.write(`host ${host.name}`, "host.pair", host.host_id, {
        via,
        token_id: token.token_id,
      });
      log.info("host paired", { host_id: host.host_id, name: host.name, via });
      const { identity } = deps;
      return {
        host_id: host.host_id,
        hub_id: identity.hub_id,
        name: host.name,
        kind: type.kind,
        hub_public_key: deps.grantPublicJwk,
        ca_pem: deps.caPem,
        addresses: type.kind === "local" ? ["127.0.0.1"] : identity.addresses(),
        https_port: identity.https_port,
        sshd_port: identity.sshd_port,
        ssh_host_key: deps.sshHostKey(),
        ssh_user: identity.ssh_user,
        ports: { http: host.http_port, ssh: host.ssh_port },
        time: new Date().toISOString(),
      };
    },
  };
}
