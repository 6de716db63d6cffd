/**
 * The SSH gateway of a host: `ssh <project_id>@<hub> -p <port of this host>`. The hub's tunnel leads the public port
 * to a loopback port here; on the hub's own machine the public port is ours to open.
 */
import { createServer, type Server, type Socket } from "node:net";
import { logger } from "../../core/log.ts";
import { portInUse } from "../../core/ports.ts";
import type { KeyPair } from "../../core/ssh-keys.ts";
import type { AccessTable } from "./access.ts";
import { type LiveLogin, type ProjectWays, serveConnection } from "./connection.ts";
import { createGate, LOGIN_GRACE_MS, MAX_STRANGERS } from "./limits.ts";
import { createSshServer } from "./ssh2.ts";

const log = logger("ssh");

export interface GatewayOptions {
  /** `undefined`: every address. */
  hostname: string | undefined;
  port: number;
  /** Beside another of this user that does the same: one takes over from the other, and nobody is refused meanwhile. */
  shared?: boolean;
  key: KeyPair;
  access: AccessTable;
  manager: ProjectWays;
  onLogin(login: LiveLogin, woke: boolean): void;
  /** Somebody came in or left. */
  onChange(): void;
}

export interface SshGateway {
  listening(): boolean;
  /** Ends logins that are no longer allowed; returns how many. */
  recheck(): number;
  logins(): LiveLogin[];
  /** Also those that have not logged in. */
  connections(): number;
  /** Those that are connected stay. */
  stopListening(): void;
  close(): void;
}

export async function openSshGateway(options: GatewayOptions): Promise<SshGateway> {
  const { access } = options;
  const gate = createGate();
  const strangers = new Map<Socket, ReturnType<typeof setTimeout>>();
  const sockets = new Set<Socket>();
  const live = new Set<LiveLogin>();

  const known = (socket: Socket) => {
    clearTimeout(strangers.get(socket));
    strangers.delete(socket);
  };

  const ssh = createSshServer(options.key, (client, { socket, software }) => {
    const from = socket as Socket;
    const address = from.remoteAddress ?? "";
    let mine: LiveLogin | undefined;
    client.once("ready", () => known(from));
    serveConnection(
      client,
      {
        software,
        address: address.replace(/^::ffff:(?=\d+\.)/, ""),
        port: from.remotePort ?? 0,
        localPort: from.localPort ?? 0,
      },
      {
        access,
        manager: options.manager,
        onReady(login) {
          mine = login;
          live.add(login);
          options.onChange();
          // The hub may have said otherwise between the check of the key and its signature's.
          if (!allowed(login)) login.end();
        },
        onLogin: options.onLogin,
        onRefused: () => gate.refused(address),
        onClose() {
          if (mine && live.delete(mine)) options.onChange();
        },
      },
    );
  });

  function allowed(one: LiveLogin): boolean {
    if (one.login.by === "authorized_keys") return access.knows(one.project_id);
    const now = access.find(one.project_id, one.blob);
    return now?.by === one.login.by && now.account_id === one.login.account_id;
  }

  const server: Server = createServer({ noDelay: true, pauseOnConnect: false }, (socket) => {
    const address = socket.remoteAddress ?? "";
    socket.on("error", () => {});
    const verdict = gate.enter(address);
    if (verdict !== "take") {
      log.debug("connection refused", { address, why: verdict });
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => {
      gate.leave(address);
      known(socket);
      sockets.delete(socket);
    });
    strangers.set(
      socket,
      setTimeout(() => socket.destroy(), LOGIN_GRACE_MS),
    );
    const [oldest] = strangers.keys();
    if (strangers.size > MAX_STRANGERS && oldest !== undefined) {
      // Forgotten now: its `close` comes later, and the next one must not find it again.
      known(oldest);
      oldest.destroy();
    }
    ssh.inject(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", () => reject(portInUse(options.port, "SSH gateway")));
    const address = options.hostname === undefined ? {} : { host: options.hostname };
    const shared = options.shared === true ? { reusePort: true } : {};
    server.listen({ port: options.port, ...address, ...shared, backlog: 512 }, () => resolve());
  });
  server.on("error", (error) => log.warn("SSH gateway", { why: String(error) }));
  log.info("SSH gateway listens", { port: options.port });

  return {
    listening: () => server.listening,
    recheck() {
      let ended = 0;
      for (const one of live) {
        if (allowed(one)) continue;
        ended += 1;
        log.info("a login is no longer allowed", {
          project_id: one.project_id,
          fingerprint: one.fingerprint,
        });
        one.end();
      }
      return ended;
    },
    logins: () => [...live],
    connections: () => sockets.size,
    stopListening: () => void server.close(),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
