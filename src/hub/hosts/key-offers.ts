/**
 * A machine that lost its key, or was set up anew around the same state, cannot prove itself. It shows its new key;
 * nothing follows from that until an admin has compared the fingerprints and accepted it.
 */
import type { OfferKey, OfferKeyReply } from "../../contract/join-token.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { decodePublicLine, fingerprint, normalizePublicLine } from "../../core/ssh-keys.ts";
import type { Audit } from "../audit/audit.ts";
import type { HostTable } from "../db/schema.ts";
import { hostKeyChanged } from "./changed-key.ts";
import { knownHost, prove } from "./host-proof.ts";
import type { HostStore } from "./store.ts";

const log = logger("key-offers");

export type KeyOffers = ReturnType<typeof createKeyOffers>;

export function createKeyOffers(deps: {
  hosts: HostStore;
  hubId: string;
  audit: Audit;
  /** Whether the host is there with the key that it has: then nobody else can be it. */
  isThere(hostId: string): boolean;
}) {
  const { hosts } = deps;

  /** Keeps the key for an admin's eyes and says on the host's page that it came. */
  async function keep(row: HostTable, key: string, from: string): Promise<void> {
    if (row.offered_key === key && row.offered_from === from) return;
    await hosts.offerKey(row.host_id, { key, from });
    const shown = fingerprint(key);
    await hosts.setState(
      row.host_id,
      "offline",
      hostKeyChanged(row.name, fingerprint(row.public_key), shown, from),
    );
    await deps.audit.write(`host ${row.name}`, "host.offer-key", row.host_id, { fingerprint: shown, from });
    log.warn("a host shows another key", { host_id: row.host_id, shown, from });
  }
  function refuseWhileThere(row: HostTable): void {
    if (!deps.isThere(row.host_id)) return;
    throw new CodedError({
      code: "host.key-in-use",
      title: `${row.name} is connected with the key that it has`,
      why: "Another machine with its data directory, perhaps a copy of it, claims to be it.",
      fix: "Stop the one that should not be, or remove project-host/host.json there and join it as a host of its own.",
      status: 409,
      exit: EX.NOPERM,
    });
  }

  return {
    /** Errors: `host.unknown` (also for a revoked one), `host.proof-refused`, `host.key-in-use`. */
    async offer(request: OfferKey, from: string): Promise<OfferKeyReply> {
      const key = normalizePublicLine(request.public_key);
      const row = await knownHost(hosts, request.host_id);
      await prove(request.proof, "offer-key", {
        key: decodePublicLine(key) as never,
        hubId: deps.hubId,
        hostId: row.host_id,
        judgeClock: false,
      });
      const known = fingerprint(row.public_key);
      if (row.public_key === key) return { state: "known", known };
      refuseWhileThere(row);
      await keep(row, key, from);
      return { state: "offered", known };
    },
    /**
     * A machine that joins with a token and says which host it was: the same host when its key is the same, refused
     * with the way out when it is not. Whoever has a token could claim any host, so a person decides here too.
     */
    async checkFormer(hostId: string, key: string, from: string): Promise<void> {
      const row = await hosts.row(hostId);
      if (!row || row.state === "gone" || row.public_key === key) return;
      refuseWhileThere(row);
      await keep(row, key, from);
      throw new CodedError({
        ...hostKeyChanged(row.name, fingerprint(row.public_key), fingerprint(key), from),
        status: 409,
        exit: EX.NOPERM,
      });
    },
    /** The host is here with its own key: what another showed in its place is void. */
    async settle(hostId: string): Promise<void> {
      const row = await hosts.row(hostId);
      if (row?.offered_key) await hosts.offerKey(hostId, null);
    },
  };
}
