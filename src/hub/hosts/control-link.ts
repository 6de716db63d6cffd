/**
 * The control link's hub end: one WebSocket per host. The host proved itself in the upgrade; here its peer is
 * attached to the router with rights to its own subjects alone, and what it says is parsed as untrusted input.
 */

import type { z } from "zod";
import type { Peer } from "../../conat/peer.ts";
import { Router } from "../../conat/router.ts";
import { type HelloReply, type HostVerb, hostVerbs, hubVerbs } from "../../contract/host-control.ts";
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";

const log = logger("control-link");

export interface ControlLinkEvents {
  hello(hostId: string): Promise<HelloReply>;
  report(hostId: string, report: z.infer<typeof hubVerbs.report>): Promise<void>;
  projectStatus(hostId: string, status: z.infer<(typeof hubVerbs)["project-status"]>): Promise<void>;
  step(hostId: string, step: z.infer<typeof hubVerbs.step>): Promise<void>;
  connected(hostId: string): void;
  disconnected(hostId: string): void;
}

/** The others are the core's own. */
type FeatureVerb = Exclude<keyof typeof hubVerbs, "report" | "project-status" | "step">;

export interface ControlLinks {
  attach(hostId: string, peer: Peer): void;
  /** `host.away` when it has no link. */
  request<V extends HostVerb>(
    hostId: string,
    verb: V,
    data: z.input<(typeof hostVerbs)[V]["request"]>,
    options?: { timeout?: number },
  ): Promise<z.output<(typeof hostVerbs)[V]["reply"]>>;
  isConnected(hostId: string): boolean;
  /** What hosts tell by a verb of a feature. */
  on<V extends FeatureVerb>(
    verb: V,
    handle: (hostId: string, value: z.infer<(typeof hubVerbs)[V]>) => Promise<void>,
  ): void;
  /** A host's link came up: anew after each break. */
  onConnected(listener: (hostId: string) => void): void;
  /** It has none any more. */
  onDisconnected(listener: (hostId: string) => void): void;
  /** Ends the link of a host whose key was revoked. */
  close(hostId: string): void;
}

export function createControlLinks(events: ControlLinkEvents): ControlLinks {
  const router = new Router<string>();
  const peers = new Map<string, Peer>();
  const onConnected: ((hostId: string) => void)[] = [];
  const onDisconnected: ((hostId: string) => void)[] = [];

  router.handle("hub.*.hello", (_subject, _data, { data: hostId }) => events.hello(hostId));
  const on = <V extends keyof typeof hubVerbs>(
    verb: V,
    handle: (hostId: string, value: z.infer<(typeof hubVerbs)[V]>) => Promise<void>,
  ) => {
    router.handle(`hub.*.${verb}`, async (_subject, data, { data: hostId }) => {
      await handle(hostId, hubVerbs[verb].parse(data) as z.infer<(typeof hubVerbs)[V]>);
      return {};
    });
  };
  on("report", events.report);
  on("project-status", events.projectStatus);
  on("step", events.step);

  return {
    attach(hostId, peer) {
      // A host that came again has replaced its old, perhaps dead, connection.
      peers.get(hostId)?.close();
      peers.set(hostId, peer);
      router.attach(peer, { allow: [`hub.${hostId}.>`], serve: [`host.${hostId}.>`], data: hostId });
      peer.onClose((error) => {
        if (peers.get(hostId) !== peer) return;
        peers.delete(hostId);
        log.info("control link ended", { host_id: hostId, why: error.message });
        events.disconnected(hostId);
        for (const listener of onDisconnected) listener(hostId);
      });
      log.info("control link up", { host_id: hostId });
      events.connected(hostId);
      for (const listener of onConnected) listener(hostId);
    },
    on,
    onConnected: (listener) => void onConnected.push(listener),
    onDisconnected: (listener) => void onDisconnected.push(listener),
    async request(hostId, verb, data, options) {
      const peer = peers.get(hostId);
      if (peer === undefined) {
        throw new CodedError({
          code: "host.away",
          title: "The project's host is not connected",
          why: "Its control link is down: the machine is off, or its network is.",
          fix: "See the host's page; it connects again by itself.",
          status: 503,
          exit: 75,
        });
      }
      const reply = await peer.request(`host.${hostId}.${verb}`, data, options);
      return hostVerbs[verb].reply.parse(reply) as z.output<(typeof hostVerbs)[typeof verb]["reply"]>;
    },
    isConnected: (hostId) => peers.has(hostId),
    close(hostId) {
      peers.get(hostId)?.close();
    },
  };
}
