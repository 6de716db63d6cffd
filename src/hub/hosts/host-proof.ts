/** Who a machine is: a bearer JWT that it signed with its own key, the one it registered when it joined. */
import type { IncomingMessage } from "node:http";
import { verifyAssertion } from "../../contract/grants.ts";
import { CodedError, messageOf } from "../../core/errors.ts";
import { decodePublicLine } from "../../core/ssh-keys.ts";
import type { HostTable } from "../db/schema.ts";
import type { HostStore } from "./store.ts";

/**
 * The id of the host that proves itself by this request; undefined when it does not try to. Errors:
 * `host.unknown`, `host.proof-refused`.
 */
export function createHostProof(deps: { hosts: HostStore; hubId: string }) {
  const { hosts, hubId } = deps;
  return async function hostOf(req: IncomingMessage): Promise<string | undefined> {
    const bearer = /^Bearer (eyJ.+)$/.exec(req.headers.authorization ?? "")?.[1];
    if (bearer === undefined) return undefined;
    const hostId = issuerOf(bearer);
    const row = await knownHost(hosts, hostId);
    await prove(bearer, "control", {
      key: decodePublicLine(row.public_key) as never,
      hubId,
      hostId: row.host_id,
      judgeClock: true,
    });
    return row.host_id;
  };
}

/** Errors: `host.unknown`, also for one that is gone or revoked. */
export async function knownHost(hosts: HostStore, hostId: string | undefined): Promise<HostTable> {
  const row = hostId === undefined ? undefined : await hosts.row(hostId);
  if (!row || row.key_revoked || row.state === "gone") {
    throw new CodedError({ code: "host.unknown", title: "This hub does not know that host", status: 403 });
  }
  return row;
}

/** Errors: `host.proof-refused`. */
export async function prove(...assertion: Parameters<typeof verifyAssertion>): Promise<void> {
  try {
    await verifyAssertion(...assertion);
  } catch (error) {
    throw new CodedError({
      code: "host.proof-refused",
      title: "The host's proof is refused",
      why: messageOf(error),
      status: 403,
    });
  }
}

/** Whose JWT it claims to be, unverified: only to find the key that verifies it. */
function issuerOf(jwt: string): string | undefined {
  try {
    const payload = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as {
      iss?: unknown;
    };
    return typeof payload.iss === "string" ? payload.iss : undefined;
  } catch {
    return undefined;
  }
}
