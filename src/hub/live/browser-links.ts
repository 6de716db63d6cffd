/** Browsers' sockets to the hub: news of what changed, to whoever may see it; the page then asks again. */
import type { Peer } from "../../conat/peer.ts";
import { Router } from "../../conat/router.ts";
import type { Changed } from "../../contract/api.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Events } from "./events.ts";

export interface BrowserLinks {
  attach(peer: Peer, caller: Caller): void;
}

export function createBrowserLinks(deps: {
  events: Events;
  /** Accounts that may see a project. */
  membersOf(projectId: string): Promise<string[]>;
}): BrowserLinks {
  const router = new Router<Caller>();
  router.handle("hub.echo", (_subject, data) => data ?? null);

  async function audience(event: Changed): Promise<(caller: Caller) => boolean> {
    if (event.kind === "project") {
      const members = await deps.membersOf(event.id);
      // A deleted project has no members left; who showed it asks again.
      return (caller) =>
        members.length === 0 || members.includes(caller.account_id) || caller.via === "local";
    }
    if (event.kind === "operation" || event.kind === "settings") return () => true;
    return (caller) => caller.admin || event.id === caller.account_id;
  }

  deps.events.onChanged((event) => {
    void audience(event).then((maySee) =>
      router.publish("changed", event, (attachment) => maySee(attachment.data)),
    );
  });

  return {
    attach(peer, caller) {
      router.attach(peer, { allow: ["changed", "hub.echo"], serve: [], data: caller });
    },
  };
}
