/** Sockets of browsers: each may call the projects its grant names, until the grant ends; a newer grant extends it. */
import { z } from "zod";
import type { Peer } from "../conat/peer.ts";
import type { Attachment, Router } from "../conat/router.ts";
import { type Grant, verifyGrant } from "../contract/grants.ts";
import { CodedError } from "../core/errors.ts";
import type { ConatSession } from "./proxy/host-http.ts";
import { type HostState, hubVerifyingKey } from "./state.ts";
import { type SessionData, viewerPattern } from "./viewers.ts";

type ConatGrant = Extract<Grant, { kind: "conat" }>;

const RENEW = "grant.renew";
const renewSchema = z.object({ grant: z.string().max(200_000) });

/** Viewers have no shell: only what viewers.ts answers them, which is reading of what was marked. */
function allowed(grant: ConatGrant): string[] {
  return [
    RENEW,
    ...grant.projects.map(({ project_id, role }) =>
      role === "viewer" ? viewerPattern(project_id) : `project.${project_id}.>`,
    ),
  ];
}

function dataOf(grant: ConatGrant): SessionData {
  const views = grant.projects.flatMap(({ project_id, role, paths }) =>
    role === "viewer" ? [[project_id, paths ?? []] as const] : [],
  );
  return { account_id: grant.sub, name: grant.name, views: new Map(views) };
}

export function createSessions(
  router: Router<unknown>,
  state: HostState,
): (peer: Peer, session: ConatSession) => void {
  const key = hubVerifyingKey(state);
  const timers = new Map<Peer, ReturnType<typeof setTimeout>>();
  const attachments = new Map<Peer, { attachment: Attachment<unknown>; sub: string; expires_at: number }>();

  function expireAt(peer: Peer, seconds: number): void {
    clearTimeout(timers.get(peer));
    const left = Math.max(0, seconds * 1000 - Date.now());
    timers.set(
      peer,
      setTimeout(() => peer.close(), left),
    );
  }

  router.handle(RENEW, async (_subject, data, { peer }) => {
    const known = attachments.get(peer);
    const grant = await verifyGrant(renewSchema.parse(data).grant, {
      key: key as never,
      hubId: state.hub_id,
      hostId: state.host_id,
    });
    if (!known || grant.kind !== "conat" || grant.sub !== known.sub) {
      throw new CodedError({
        code: "grant.refused",
        title: "That grant is not for this socket",
        status: 403,
      });
    }
    // An older one may name rights that were taken since.
    if (grant.expires_at < known.expires_at) {
      throw new CodedError({
        code: "grant.outdated",
        title: "This socket has a newer grant already",
        status: 403,
      });
    }
    known.expires_at = grant.expires_at;
    known.attachment.update({ allow: allowed(grant), data: dataOf(grant) });
    expireAt(peer, grant.expires_at);
    return { expires_at: new Date(grant.expires_at * 1000).toISOString() };
  });

  return (peer, { grant, expires_at }) => {
    const attachment = router.attach(peer, {
      allow: allowed(grant),
      serve: [],
      data: dataOf(grant),
    });
    attachments.set(peer, { attachment, sub: grant.sub, expires_at });
    expireAt(peer, expires_at);
    peer.onClose(() => {
      clearTimeout(timers.get(peer));
      timers.delete(peer);
      attachments.delete(peer);
    });
  };
}
