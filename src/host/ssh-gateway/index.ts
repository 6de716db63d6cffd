/** The host's SSH gateway, with what the hub tells it and what it tells the hub. */
import { join } from "node:path";
import type { z } from "zod";
import type { ProjectStatus } from "../../contract/host-control.ts";
import type { sshHostVerbs } from "../../contract/host-verbs/ssh.ts";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import type { HostCore, HostFeature } from "../core.ts";
import { createAccessTable } from "./access.ts";
import { createKeeper } from "./keeper.ts";
import { isLoopback } from "./limits.ts";
import { createLoginOutbox } from "./logins.ts";
import { accessFile } from "./places.ts";
import { tellPresent } from "./present.ts";
import type { GatewayProject } from "./wire.ts";

const log = logger("ssh");
const FLUSH_MS = 10_000;

type Access = (typeof sshHostVerbs)["ssh.access"];

export function createSshFeature(host: HostCore): {
  feature: HostFeature;
  /** How many are logged in to a project. */
  logins(projectId: string): number;
  handlers: { "ssh.access"(request: z.output<Access["request"]>): Promise<z.input<Access["reply"]>> };
} {
  const { state, ports, paths, manager } = host;
  // A key of its own: the host's identity signs for the hub, and must not be asked to sign for strangers.
  const key = loadOrCreateKeyPair(join(paths.ssh, "gateway_ed25519"), "cocalc-ssh-gateway");
  const access = createAccessTable(accessFile(paths));
  const outbox = createLoginOutbox(join(paths.dir, "ssh-logins.jsonl"), (login) =>
    host.link().tell("ssh-login", login),
  );
  const flush = () => {
    if (host.link().isConnected())
      void outbox
        .flush()
        .catch((error: unknown) => log.debug("logins wait for the hub", { why: String(error) }));
  };
  const local = state.kind === "local";
  const asTold = (status: ProjectStatus): GatewayProject => ({
    status,
    name: manager.name(status.project_id),
    agent: manager.agentWay(status.project_id) ?? null,
  });
  const keeper = createKeeper({
    paths,
    door: local
      ? { hostname: undefined, port: state.ports.ssh }
      : { hostname: "127.0.0.1", port: ports.hostSsh },
    hostKey: key.publicLine,
    projects: () => manager.statuses().map(asTold),
    wake(projectId) {
      try {
        manager.wake(projectId);
      } catch (error) {
        log.warn("a project is not woken", { project_id: projectId, why: messageOf(error) });
      }
    },
    onLogin({ type: _, address, ...login }) {
      outbox.add({ ...login, address: isLoopback(address) && !local ? null : address });
      flush();
    },
    onLogins: () => present(),
  });
  const present = tellPresent({
    logins: keeper.present,
    isConnected: () => host.link().isConnected(),
    tell: (all) => host.link().tell("ssh-present", all),
  });
  let timer: ReturnType<typeof setInterval> | undefined;

  return {
    feature: {
      async start() {
        // One person's own directory has no other people, and no door but loopback.
        if (host.plain) return;
        await keeper.start();
        timer = setInterval(flush, FLUSH_MS);
      },
      onStatus: (status) => keeper.told(asTold(status)),
      close() {
        clearInterval(timer);
        if (!host.plain) keeper.close(host.keepSessions);
      },
    },
    logins: keeper.logins,
    handlers: {
      async "ssh.access"(message) {
        const ended = access.take(message) ? await keeper.recheck() : 0;
        flush();
        // It comes first on each new link, when the hub knows of nobody.
        present();
        return { host_key: key.publicLine, listening: await keeper.listens(), ended };
      },
    },
  };
}
