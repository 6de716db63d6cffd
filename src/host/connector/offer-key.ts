/** Shows this machine's key to a hub that refuses it: its folder may have been lost, or the machine set up anew. */
import { signAssertion } from "../../contract/grants.ts";
import { type OfferKey, offerKeyReplySchema } from "../../contract/join-token.ts";
import { problemSchema } from "../../contract/problem.ts";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { fingerprint, type KeyPair } from "../../core/ssh-keys.ts";
import { urlHost } from "../../core/url-host.ts";
import type { HostState } from "../state.ts";
import { likelyFirst } from "./addresses.ts";
import type { TunnelEnd } from "./tunnel.ts";

const log = logger("connector");
const TIMEOUT_MS = 5_000;

/** `known`: it has been accepted meanwhile. undefined: the hub's HTTPS cannot be asked, or will hear nothing of it. */
export async function offerKey(state: HostState, key: KeyPair): Promise<TunnelEnd | "known" | undefined> {
  const body: OfferKey = {
    host_id: state.host_id,
    public_key: key.publicLine,
    proof: await signAssertion(
      "offer-key",
      {},
      { key: key.privateKey as never, hubId: state.hub_id, hostId: state.host_id },
    ),
  };
  for (const address of await likelyFirst(state.addresses, [state.https_port])) {
    try {
      const response = await fetch(`https://${urlHost(address)}:${state.https_port}/offer-key`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        // The CA that this machine pinned is who the hub is, by whatever name it is reached.
        tls: { ca: state.ca_pem, checkServerIdentity: () => undefined },
      });
      const answer: unknown = await response.json();
      if (!response.ok) {
        // A revoked or unknown host is told by sshd already; that another holds this identity is news.
        const problem = problemSchema.safeParse(answer).data;
        return problem?.code === "host.key-in-use" ? { kind: "refused", problem } : undefined;
      }
      const { state: verdict, known } = offerKeyReplySchema.parse(answer);
      if (verdict === "known") return "known";
      const shown = fingerprint(key.publicLine);
      return {
        kind: "offered",
        problem: {
          code: "tunnel.key-offered",
          title: "The hub knows this machine by another key",
          why: `It knows ${known}; this machine has ${shown}.`,
          fix: "An admin compares the two and accepts the new one, on the hub's page of this host or by the command. It then connects by itself.",
          command: `cocalc-hub host accept-key ${state.name} ${shown}`,
        },
      };
    } catch (error) {
      log.debug("the key could not be shown", { address, why: messageOf(error) });
    }
  }
  return undefined;
}
