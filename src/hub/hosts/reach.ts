/**
 * How hosts are reached and what that says of them: control links, tunnels and offered keys, judged together whenever
 * one of them changes. `projects` and `directory` come later than this does, so they are asked for when needed.
 */
import type { ProjectStatus } from "../../contract/host-control.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { Events } from "../live/events.ts";
import type { ProjectStore } from "../projects/store.ts";
import type { Directory } from "../proxy/directory.ts";
import { createTunnels } from "../tunnels/tunnels.ts";
import { type ControlLinks, createControlLinks } from "./control-link.ts";
import type { HubIdentity } from "./join-tokens.ts";
import { createKeyOffers } from "./key-offers.ts";
import type { HostStore } from "./store.ts";
import { createTunnelTold } from "./tunnel-told.ts";
import { verdict } from "./verdict.ts";

export function createReach(deps: {
  db: Db;
  hosts: HostStore;
  identity: HubIdentity;
  audit: Audit;
  events: Events;
  hello: Parameters<typeof createControlLinks>[0]["hello"];
  projects(): ProjectStore;
  /** Sends what the host missed of a project while it was away. */
  catchUp(hostId: string, status: ProjectStatus): Promise<void>;
  directory(): Directory;
}) {
  const { db, hosts, identity, events } = deps;
  const told = createTunnelTold({ hosts, hubKey: identity.ssh_fingerprint });
  const links: ControlLinks = createControlLinks({
    hello: deps.hello,
    async report(hostId, report) {
      await hosts.setReport(hostId, report);
      await judge(hostId);
    },
    async projectStatus(hostId, status) {
      await deps.projects().applyStatus(hostId, status);
      await deps.catchUp(hostId, status);
    },
    async step(hostId, step) {
      const { name, ...change } = await told.take(hostId, step);
      await hosts.setStep(hostId, name, change);
      if (name === "tunnel-up") await judge(hostId);
    },
    connected: (hostId) => void keyOffers.settle(hostId).then(() => changed(hostId)),
    disconnected: (hostId) => void changed(hostId),
  });
  const tunnels = createTunnels({
    hosts,
    hubId: identity.hub_id,
    async target(host_id) {
      const row = await hosts.row(host_id);
      const port = await deps.directory().hostPort(host_id);
      return row && port !== undefined ? { host_id, port, public_key: row.public_key } : undefined;
    },
    onUp: (hostId) => void changed(hostId),
    onClock: (hostId) => void judge(hostId),
    onDown: (hostId) => void changed(hostId),
  });
  const keyOffers = createKeyOffers({
    hosts,
    hubId: identity.hub_id,
    audit: deps.audit,
    isThere: (hostId) => links.isConnected(hostId) || tunnels.isUp(hostId),
  });

  async function judge(hostId: string): Promise<void> {
    const host = await hosts.find(hostId);
    if (!host) return;
    const judged = verdict(host, {
      connected: links.isConnected(hostId),
      up: tunnels.isUp(hostId),
      told: told.of(hostId),
      clock: tunnels.clock(hostId),
    });
    if (!judged) return;
    if (judged.state === "ready") await hosts.setStep(hostId, "storage-ready", { state: "done" });
    await hosts.setState(hostId, judged.state, judged.problem);
  }

  /** It came or went, and its projects with it. */
  async function changed(hostId: string): Promise<void> {
    await judge(hostId);
    deps.directory().forget();
    events.changed("host", hostId);
    const rows = await db.selectFrom("projects").select("project_id").where("host_id", "=", hostId).execute();
    for (const row of rows) events.changed("project", row.project_id);
  }

  return { links, tunnels, keyOffers };
}
