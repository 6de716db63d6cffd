/** Browsers' sockets to the hub: news of what changed, to whoever may see it; the page then asks again. */

import { z } from "zod";
import type { Peer } from "../../conat/peer.ts";
import { Router } from "../../conat/router.ts";
import type { Account, Changed } from "../../contract/api.ts";
import type { Presence } from "../../contract/api-people.ts";
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Events } from "./events.ts";
import type { SshPresence } from "./ssh-present.ts";

const log = logger("live");

export interface BrowserLinks {
  attach(peer: Peer, caller: Caller): void;
}

interface Link {
  peer: Peer;
  caller: Caller;
  router: Router;
  /** The project that its page shows. */
  here: string | undefined;
}

type Someone = Presence["people"][number];
/** As many as a page takes. */
const MAX_PEOPLE = 1_000;
const hereSchema = z.object({ project_id: z.uuid().nullable() });

export function createBrowserLinks(deps: {
  events: Events;
  /** Accounts that may see a project. */
  membersOf(projectId: string): Promise<string[]>;
  /** Whether a caller may see an operation. */
  maySeeOperation(caller: Caller, operationId: string): Promise<boolean>;
  account(id: string): Promise<Account | undefined>;
  overSsh: SshPresence;
}): BrowserLinks {
  const { overSsh } = deps;
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
    if (event.kind === "project") {
      const members = await deps.membersOf(event.id);
      for (const link of links)
        if (link.here === event.id && !members.includes(link.caller.account_id)) movedTo(link, undefined);
    }
    const judge = await maySee(event);
    for (const { router, caller } of links) if (await judge(caller)) router.publish("changed", event);
  }
  deps.events.onChanged((event) => {
    tell(event).catch((error: unknown) => log.error("an event could not be told", event, error));
  });

  function present(projectId: string, members: string[]): Presence {
    const people = new Map<string, Someone>();
    const add = (account_id: string, name: string, way: Someone["ways"][number]) => {
      const { ways = [] } = people.get(account_id) ?? {};
      if (!ways.includes(way)) people.set(account_id, { account_id, name, ways: [...ways, way] });
    };
    for (const { here, caller } of links)
      if (here === projectId && caller.via !== "local") add(caller.account_id, caller.name, "browser");
    for (const { account_id, name, member } of overSsh.of(projectId))
      if (!member || members.includes(account_id)) add(account_id, name, "ssh");
    return { project_id: projectId, people: [...people.values()].slice(0, MAX_PEOPLE) };
  }
  /** To its members alone. */
  async function tellPresence(projectId: string): Promise<void> {
    const members = await deps.membersOf(projectId);
    const presence = present(projectId, members);
    for (const { router, caller } of links)
      if (members.includes(caller.account_id)) router.publish("presence", presence);
  }
  function movedTo(link: Link, projectId: string | undefined): void {
    const before = link.here;
    link.here = projectId;
    for (const id of new Set([before, projectId])) {
      if (id !== undefined && before !== projectId) changed(id);
    }
  }
  const changed = (projectId: string) =>
    void tellPresence(projectId).catch((error: unknown) => log.error("presence could not be told", error));
  overSsh.onChanged(changed);
  /** Says where this page is, and hears who is where. */
  async function here(link: Link, data: unknown): Promise<{ present: Presence[] }> {
    const { project_id } = hereSchema.parse(data);
    const { account_id } = link.caller;
    const isMine = async (id: string) => (await deps.membersOf(id)).includes(account_id);
    movedTo(link, project_id !== null && (await isMine(project_id)) ? project_id : undefined);
    const known: Presence[] = [];
    for (const id of new Set([...[...links].flatMap((one) => one.here ?? []), ...overSsh.projects()])) {
      const members = await deps.membersOf(id);
      if (members.includes(account_id)) known.push(present(id, members));
    }
    return { present: known };
  }

  return {
    attach(peer, caller) {
      // A router of its own for each: what one browser publishes must not reach another.
      const router = new Router();
      router.handle("hub.echo", (_subject, data) => data ?? null);
      const link: Link = { peer, caller, router, here: undefined };
      router.handle("hub.here", (_subject, data) => here(link, data));
      links.add(link);
      peer.onClose(() => {
        links.delete(link);
        movedTo(link, undefined);
      });
      router.attach(peer, {
        allow: ["changed", "presence", "hub.echo", "hub.here"],
        serve: [],
        data: null,
      });
    },
  };
}
