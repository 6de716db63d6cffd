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
import { type Ports, portInUse } from "../../core/ports.ts";
import type { Tls } from "../tls/tls.ts";
import type { Door } from "./judge.ts";

const log = logger("server");

export type DoorKind = "ui" | "apps" | "local";
export interface DoorInfo extends Door {
  kind: DoorKind;
  /** Over TLS, so that cookies may demand it. */
  secure: boolean;
  port: number;
}
export interface DoorHandlers {
  request(req: IncomingMessage, res: ServerResponse, door: DoorInfo): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, door: DoorInfo): void;
}

/** `Host` values under which a door is reached: the port is left out where it is the scheme's own. */
export function hostsFor(names: string[], port: number): Set<string> {
  return new Set(names.map((name) => `${name.includes(":") ? `[${name}]` : name}:${port}`.toLowerCase()));
}

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"];

export interface Doors {
  close(): Promise<void>;
}

export async function openDoors(options: {
  ports: Ports;
  tls: Tls;
  /** Asked at each request: settings may add a name. */
  names: () => string[];
  socketPath: string;
  handlers: DoorHandlers;
}): Promise<Doors> {
  const { ports, tls, handlers } = options;
  const servers: Server[] = [];

  async function listen(
    server: Server,
    door: DoorInfo,
    where: Parameters<Server["listen"]>[0],
  ): Promise<void> {
    server.on("request", (req, res) => handlers.request(req, res, door));
    // Without a listener node answers 100 by itself, before the upstream could refuse.
    server.on("checkContinue", (req, res) => handlers.request(req, res, door));
    server.on("upgrade", (req, socket, head) => handlers.upgrade(req, socket, head, door));
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
    servers.push(server);
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
  const everywhere = hasIpv6 ? "::" : "0.0.0.0";
  const secureNames = () => [...LOOPBACK_NAMES, ...options.names()];
  const credentials = { cert: tls.certPem, key: tls.keyPem };
  for (const [kind, port] of [
    ["ui", ports.https],
    ["apps", ports.apps],
  ] as const) {
    await listen(createHttps(credentials) as unknown as Server, door(kind, "https", port, secureNames), {
      port,
      host: everywhere,
    });
  }
  for (const [kind, port] of [
    ["ui", ports.loopbackUi],
    ["apps", ports.loopbackApps],
  ] as const) {
    await listen(
      createHttp(),
      door(kind, "http", port, () => LOOPBACK_NAMES),
      { port, host: "127.0.0.1" },
    );
    if (hasIpv6)
      await listen(
        createHttp(),
        door(kind, "http", port, () => LOOPBACK_NAMES),
        { port, host: "::1" },
      );
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
    async close() {
      await Promise.all(
        servers.map(
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
