/**
 * `cocalc-project-host ssh-gateway`: the SSH gateway as a process of its own, started by the daemon and outliving it. A
 * restart of the daemon takes it over; an upgrade starts another beside it on the same port, and this one goes on until
 * the last that is logged in through it has left.
 */
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { command, common } from "../../core/cli.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { hostPaths } from "../../core/paths.ts";
import { loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import { COMMIT, VERSION } from "../../core/version.ts";
import { createAccessTable } from "./access.ts";
import { openSshGateway, type SshGateway } from "./gateway.ts";
import { createMirror } from "./mirror.ts";
import { accessFile, gatewaySocket } from "./places.ts";
import { doorName, onMessages, orderSchema, type Report, send } from "./wire.ts";

const log = logger("ssh");
const CONNECT_MS = 250;
/** A port that is taken is tried for again. */
const LISTEN_MS = 5_000;
/** Without a daemon for so long it is not wanted: an upgrade takes seconds. */
const ORPHAN_MS = 120_000;
const POLL_MS = 500;

export default command({
  meta: {
    name: "ssh-gateway",
    description: "Serves SSH to projects; the project host starts it (not for people)",
  },
  args: {
    ...common,
    port: { type: "string", required: true, description: "Where it listens" },
    hostname: { type: "string", description: "At which address; default: every one" },
  },
  async run({ args }) {
    const paths = hostPaths(args["data-dir"]);
    const door = { hostname: args.hostname, port: Number(args.port) };
    const access = createAccessTable(accessFile(paths));
    const key = loadOrCreateKeyPair(join(paths.ssh, "gateway_ed25519"), "cocalc-ssh-gateway");
    let daemon: Socket | undefined;
    let alone = performance.now();
    let gateway: SshGateway | undefined;
    let wanted = false;
    let draining = false;

    const tell = (report: Report) => {
      if (daemon !== undefined) send(daemon, report);
    };
    const tellListening = () => tell({ type: "listening", listening: gateway?.listening() ?? false });
    const tellLogins = () => {
      const logins = (gateway?.logins() ?? []).map(({ project_id, fingerprint, login }) => ({
        project_id,
        fingerprint,
        ...login,
      }));
      tell({ type: "logins", logins });
    };
    const mirror = createMirror((project_id) => {
      if (daemon === undefined) {
        throw new CodedError({
          code: "project.not-running",
          title: "The project is stopped, and this host is just being restarted",
          fix: "Connect again in a moment.",
        });
      }
      tell({ type: "wake", project_id });
    });

    async function listen(): Promise<void> {
      if (wanted) return;
      wanted = true;
      while (!draining && gateway === undefined) {
        try {
          gateway = await openSshGateway({
            ...door,
            shared: true,
            key,
            access,
            manager: mirror,
            onChange: tellLogins,
            onLogin({ project_id, login, fingerprint, address, software }, woke) {
              const { account_id, by } = login;
              tell({
                type: "login",
                project_id,
                account_id,
                by,
                fingerprint,
                address,
                client: software,
                woke,
              });
            },
          });
        } catch (error) {
          log.warn("SSH gateway cannot listen", { ...toProblem(error) });
          await Bun.sleep(LISTEN_MS);
        }
      }
      tellListening();
    }
    function drain(why: string): void {
      if (!draining)
        log.info(`SSH gateway takes no more: ${why}`, { logged_in: gateway?.logins().length ?? 0 });
      draining = true;
      gateway?.stopListening();
      tellListening();
    }

    function connect(): void {
      const socket = createConnection({ path: gatewaySocket(paths) });
      socket.on("error", () => {
        // No daemon: `close` tries again.
      });
      socket.once("connect", () => {
        daemon = socket;
        const listening = gateway?.listening() ?? false;
        const build = `${VERSION} ${COMMIT}`;
        tell({
          type: "hello",
          pid: process.pid,
          build,
          door: doorName(door, key.publicLine),
          listening,
          draining,
        });
        tellLogins();
      });
      socket.once("close", () => {
        if (daemon === socket) alone = performance.now();
        if (daemon === socket) daemon = undefined;
        setTimeout(connect, CONNECT_MS);
      });
      onMessages(socket, orderSchema, (order) => {
        if (order.type === "projects") mirror.all(order.projects);
        else if (order.type === "project") mirror.one(order.project);
        else if (order.type === "listen") void listen();
        else if (order.type === "drain") drain("another has taken over");
        else {
          access.reload();
          tell({ type: "rechecked", id: order.id, ended: gateway?.recheck() ?? 0 });
        }
      });
    }
    connect();
    for (;;) {
      await Bun.sleep(POLL_MS);
      if (daemon === undefined && performance.now() - alone > ORPHAN_MS) drain("the project host is gone");
      if (draining && (gateway?.connections() ?? 0) === 0) process.exit(0);
    }
  },
});
