/** Browsers' sockets to the hub: news of what changed, to whoever may see it; the page then asks again. */
import type { Peer } from "../../conat/peer.ts";
import { Router } from "../../conat/router.ts";
import type { Account, Changed } from "../../contract/api.ts";
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Events } from "./events.ts";

const log = logger("live");

export interface BrowserLinks {
  attach(peer: Peer, caller: Caller): void;
}

interface Link {
  peer: Peer;
  caller: Caller;
  router: Router;
}

export function createBrowserLinks(deps: {
  events: Events;
  /** Accounts that may see a project. */
  membersOf(projectId: string): Promise<string[]>;
  /** Whether a caller may see an operation. */
  maySeeOperation(caller: Caller, operationId: string): Promise<boolean>;
  account(id: string): Promise<Account | undefined>;
}): BrowserLinks {
  const links = new Set<Link>();

  async function maySee(event: Changed): Promise<(caller: Caller) => boolean | Promise<boolean>> {
    switch (event.kind) {
      case "project": {
        const members = await deps.membersOf(event.id);
        // A deleted project has no members left; who showed it asks again.
        return (caller) =>
          members.length === 0 || members.includes(caller.account_id) || caller.via === "local";
      }
      case "operation":
        return (caller) => deps.maySeeOperation(caller, event.id);
      case "settings":
        return () => true;
      default:
        return (caller) => caller.admin || event.id === caller.account_id;
    }
  }

  /** Who was suspended, or is another than when the socket opened, connects anew: or is refused. */
  async function recheck(accountId: string): Promise<void> {
    const account = await deps.account(accountId);
    for (const { peer, caller } of links) {
      if (caller.account_id !== accountId) continue;
      const same = account && !account.suspended && (account.role === "admin") === caller.admin;
      if (!same) peer.close(new CodedError({ code: "auth.required", title: "Sign in first", status: 401 }));
    }
  }

  async function tell(event: Changed): Promise<void> {
    if (links.size === 0) return;
    if (event.kind === "user") await recheck(event.id);
    const judge = await maySee(event);
    for (const { router, caller } of links) if (await judge(caller)) router.publish("changed", event);
  }
  deps.events.onChanged((event) => {
    tell(event).catch((error: unknown) => log.error("an event could not be told", event, error));
  });

  return {
    attach(peer, caller) {
      // A router of its own for each: what one browser publishes must not reach another.
      const router = new Router();
      router.handle("hub.echo", (_subject, data) => data ?? null);
      const link = { peer, caller, router };
      links.add(link);
      peer.onClose(() => links.delete(link));
      router.attach(peer, { allow: ["changed", "hub.echo"], serve: [], data: null });
    },
  };
}
