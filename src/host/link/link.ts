/** The control link: one WebSocket to the hub, over which it commands and this host reports. */
import type { z } from "zod";
import { type ConatClient, connect } from "../../conat/client.ts";
import { Router } from "../../conat/router.ts";
import { signAssertion } from "../../contract/grants.ts";
import {
  type HelloReply,
  type HostVerb,
  helloReplySchema,
  hostVerbs,
  type hubVerbs,
} from "../../contract/host-control.ts";
import { logger } from "../../core/log.ts";
import type { HostPaths } from "../../core/paths.ts";
import { machinesPort } from "../../core/ports.ts";
import type { KeyPair } from "../../core/ssh-keys.ts";
import { listening } from "../connector/addresses.ts";
import type { HostState } from "../state.ts";
import { createEndpoints } from "./endpoints.ts";
import { readConnectorState, watchTunnel } from "./tunnel-report.ts";

const log = logger("link");
/** Shorter than the default: a host that lost its network must notice within half a minute. */
const HEARTBEAT = { interval: 5_000, deadAfter: 15_000 };
const MAX_BACKOFF_MS = 5_000;

export type HostHandlers = {
  [V in HostVerb]: (
    request: z.output<(typeof hostVerbs)[V]["request"]>,
  ) => Promise<z.input<(typeof hostVerbs)[V]["reply"]>>;
};

export interface HubLink {
  /** Sends and waits until the hub took it; again after a lost link. */
  tell<V extends keyof typeof hubVerbs>(verb: V, data: z.input<(typeof hubVerbs)[V]>): Promise<void>;
  /** Asks the hub anew what there is. */
  refresh(): Promise<HelloReply>;
  isConnected(): boolean;
  /** An assertion for the hub's HTTP, and where it is. */
  hubRequest(path: string): Promise<{ url: string; init: RequestInit }>;
  close(): void;
}

export function createHubLink(options: {
  state: HostState;
  key: KeyPair;
  paths: HostPaths;
  /** Loopback port that leads through the tunnel to the hub's door for machines. */
  tunnelledHub: number;
  handlers: HostHandlers;
  onHello(reply: HelloReply): void;
}): HubLink {
  const { state } = options;
  const tls = { ca: state.ca_pem, checkServerIdentity: () => undefined };
  const endpoints = createEndpoints({
    direct: () => ({ addresses: state.addresses, port: state.https_port }),
    // That one has a certificate of the CA we pin whatever the hub shows to people.
    loopback: () => (state.kind === "local" ? machinesPort(state.https_port) : options.tunnelledHub),
    answering: listening,
  });

  const router = new Router<"hub">();
  for (const verb of Object.keys(options.handlers) as HostVerb[]) {
    router.handle(`host.${state.host_id}.${verb}`, async (_subject, data) => {
      const handler = options.handlers[verb] as (request: unknown) => Promise<unknown>;
      return await handler(hostVerbs[verb].request.parse(data ?? {}));
    });
  }

  async function bearer(): Promise<string> {
    const assertion = await signAssertion(
      "control",
      {},
      {
        key: options.key.privateKey as never,
        hubId: state.hub_id,
        hostId: state.host_id,
      },
    );
    return `Bearer ${assertion}`;
  }

  const client: ConatClient = connect({
    url: async () => `${state.plain ? "ws" : "wss"}://${await endpoints.next()}/conat`,
    headers: async () => ({ authorization: await bearer() }),
    tls,
    heartbeat: HEARTBEAT,
    maxBackoff: MAX_BACKOFF_MS,
    onPeer(peer) {
      router.attach(peer, { allow: [`host.${state.host_id}.>`], serve: [], data: "hub" });
    },
    onState(now) {
      if (now.state === "waiting") {
        endpoints.failed();
        log.warn("no control link", {
          why: now.problem?.why ?? now.problem?.title,
          problem: readConnectorState(options.paths.connectorState)?.problem?.code,
        });
      }
      if (now.state !== "connected") return;
      endpoints.succeeded();
      log.info("control link up", { hub: endpoints.current });
      refresh()
        .then((reply) => options.onHello(reply))
        .catch((error: unknown) => log.warn("hello failed", { why: String(error) }));
    },
  });

  async function tell<V extends keyof typeof hubVerbs>(
    verb: V,
    data: z.input<(typeof hubVerbs)[V]>,
  ): Promise<void> {
    await client.request(`hub.${state.host_id}.${verb}`, data, { idempotent: true, timeout: 30_000 });
  }
  const stopWatching =
    state.kind === "local"
      ? () => {}
      : watchTunnel({
          path: options.paths.connectorState,
          connected: () => client.state.state === "connected",
          tell: (step) => tell("step", step),
        });

  async function refresh(): Promise<HelloReply> {
    return helloReplySchema.parse(
      await client.request(`hub.${state.host_id}.hello`, {}, { idempotent: true }),
    );
  }

  return {
    tell,
    refresh,
    isConnected: () => client.state.state === "connected",
    async hubRequest(path) {
      return {
        url: `${state.plain ? "http" : "https"}://${endpoints.current}${path}`,
        init: { headers: { authorization: await bearer() }, tls } as RequestInit,
      };
    },
    close() {
      stopWatching();
      client.close();
    },
  };
}
