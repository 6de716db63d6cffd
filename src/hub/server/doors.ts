/**
 * The sockets the hub listens on: HTTPS for the UI (base) and for project pages (base+2), plain HTTP for both on this
 * machine's loopback alone (base+3, base+4), and a unix socket for the local administrator.
 */
import { chmodSync, rmSync } from "node:fs";
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttps } from "node:https";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { CodedError, EX, errnoOf, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { type Ports, portInUse, SHARDS } from "../../core/ports.ts";
import { urlHost } from "../../core/url-host.ts";
import type { LiveTls } from "../tls/live-tls.ts";
import type { Certificate } from "../tls/tls.ts";
import type { Door } from "./judge.ts";

const log = logger("server");

export type DoorKind = "ui" | "apps" | "local";
export interface DoorInfo extends Door {
  kind: DoorKind;
  /** Over TLS, so that cookies may demand it. */
  secure: boolean;
  port: number;
  /** One of the ports that are an origin for one project each. */
  shard?: number;
}
export interface DoorHandlers {
  request(req: IncomingMessage, res: ServerResponse, door: DoorInfo): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, door: DoorInfo): void;
}

/** `Host` values under which a door is reached: the port is left out where it is the scheme's own. */
export function hostsFor(names: string[], port: number): Set<string> {
  return new Set(names.map((name) => `${urlHost(name)}:${port}`.toLowerCase()));
}

/** By this name alone a request is for project pages, where one port serves both; the gateway judges it further. */
const APPS_HOST = /^[0-9a-f-]{36}\.localhost(:\d+)?$/i;
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"];

export interface Doors {
  /** Those of the shards that could be listened on. */
  shards: readonly number[];
  close(): Promise<void>;
}

export async function openDoors(options: {
  ports: Ports;
  /** Without: this machine's loopback alone, over plain HTTP, and one port for UI and project pages (Plus). */
  tls: LiveTls | undefined;
  /** Asked at each request: settings may add a name. */
  names: () => string[];
  socketPath: string;
  handlers: DoorHandlers;
}): Promise<Doors> {
  const { ports, tls, handlers } = options;
  const servers = new Set<Server>();
  /** closeAllConnections leaves these alone, and a server is not closed before they are. */
  const upgraded = new Set<Duplex>();

  async function listen(
    server: Server,
    door: DoorInfo,
    where: Parameters<Server["listen"]>[0],
    doorOf: (req: IncomingMessage) => DoorInfo = () => door,
  ): Promise<void> {
    server.on("request", (req, res) => handlers.request(req, res, doorOf(req)));
    // Without a listener node answers 100 by itself, before the upstream could refuse.
    server.on("checkContinue", (req, res) => handlers.request(req, res, doorOf(req)));
    server.on("upgrade", (req, socket, head) => {
      upgraded.add(socket);
      socket.once("close", () => upgraded.delete(socket));
      handlers.upgrade(req, socket, head, doorOf(req));
    });
    server.requestTimeout = 0;
    server.headersTimeout = 30_000;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, () => {
        server.off("error", reject);
        server.on("error", (error) => log.error("a door failed", error));
        resolve();
      });
    }).catch((error: unknown) => {
      if (errnoOf(error) === "EADDRINUSE") throw portInUse(door.port, door.kind);
      throw new CodedError(
        {
          code: "server.cannot-listen",
          title: `Cannot listen on port ${door.port}`,
          why: messageOf(error),
          fix: "Choose another --base-port above 1024.",
          exit: EX.OSERR,
        },
        { cause: error },
      );
    });
    servers.add(server);
  }

  /** Bun's server cannot take another certificate: it listens anew, and connections that are open live on. */
  async function listenTls(
    tls: LiveTls,
    info: DoorInfo,
    host: string,
    certificate: () => Certificate,
  ): Promise<void> {
    const open = async () => {
      const { certPem: cert, keyPem: key } = certificate();
      const server = createHttps({ cert, key }) as unknown as Server;
      await listen(server, info, { port: info.port, host });
      return { server, cert };
    };
    let now = await open();
    tls.onChange(() => {
      if (certificate().certPem === now.cert) return;
      const { server: old } = now;
      servers.delete(old);
      old.close();
      open().then(
        (opened) => {
          now = opened;
        },
        (error: unknown) => log.error("a door could not be opened with its new certificate", error),
      );
    });
  }

  /** Names may change while it runs: `hosts` is a live view. */
  function door(kind: DoorKind, scheme: Door["scheme"], port: number, names: () => string[]): DoorInfo {
    return {
      kind,
      scheme,
      port,
      secure: scheme === "https",
      get hosts() {
        return hostsFor(names(), port);
      },
    };
  }

  const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
    list?.some((one) => one.family === "IPv6"),
  );
  const shards: number[] = [];
  if (tls) {
    const everywhere = hasIpv6 ? "::" : "0.0.0.0";
    const secureNames = () => [...LOOPBACK_NAMES, ...options.names()];
    const people = () => tls.current.people;
    await listenTls(tls, door("ui", "https", ports.https, secureNames), everywhere, people);
    await listenTls(tls, door("apps", "https", ports.apps, secureNames), everywhere, people);
    await listenTls(
      tls,
      Object.defineProperty(
        door("ui", "https", ports.machines, () => LOOPBACK_NAMES),
        "anyPort",
        { value: true },
      ),
      "127.0.0.1",
      () => tls.current.machines,
    );
    // All at the start: 64 listeners cost 5 MB and 40 ms (measured), and nobody else can sit on a port then. One that is
    // taken already costs one origin, not the hub.
    for (let shard = 0; shard < SHARDS; shard++) {
      const info = Object.assign(door("apps", "https", ports.firstShard + shard, secureNames), { shard });
      try {
        await listenTls(tls, info, everywhere, people);
        shards.push(shard);
      } catch (error) {
        const why = messageOf(error);
        log.warn("a port for project pages cannot be listened on; the others serve", {
          port: info.port,
          why,
        });
      }
    }
  }
  const loopback = (kind: DoorKind, port: number) => door(kind, "http", port, () => LOOPBACK_NAMES);
  const ui = loopback("ui", ports.loopbackUi);
  const apps = loopback("apps", ports.loopbackApps);
  const onePort = ports.loopbackUi === ports.loopbackApps;
  for (const host of hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
    if (onePort) {
      await listen(createHttp(), ui, { port: ui.port, host }, (req) =>
        APPS_HOST.test(req.headers.host ?? "") ? apps : ui,
      );
      continue;
    }
    for (const one of [ui, apps]) await listen(createHttp(), one, { port: one.port, host });
  }
  rmSync(options.socketPath, { force: true });
  await listen(
    createHttp(),
    { kind: "local", scheme: "http", hosts: new Set(), secure: false, port: 0 },
    {
      path: options.socketPath,
    },
  );
  chmodSync(options.socketPath, 0o600);

  return {
    shards,
    async close() {
      for (const socket of upgraded) socket.destroy();
      await Promise.all(
        [...servers].map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}
