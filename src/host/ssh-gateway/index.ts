/** The host's SSH gateway, with what the hub tells it and what it tells the hub. */
import { join } from "node:path";
import type { z } from "zod";
import type { sshHostVerbs } from "../../contract/host-verbs/ssh.ts";
import { toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import type { HostCore, HostFeature } from "../core.ts";
import { createAccessTable } from "./access.ts";
import type { SshGateway } from "./gateway.ts";
import { isLoopback } from "./limits.ts";
import { createLoginOutbox } from "./logins.ts";
import { tellPresent } from "./present.ts";

const log = logger("ssh");
/** A port that is taken is tried for again: an old daemon may be on its way out. */
const RETRY_MS = 5_000;
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
  const access = createAccessTable(join(paths.dir, "ssh-access.json"));
  const outbox = createLoginOutbox(join(paths.dir, "ssh-logins.jsonl"), (login) =>
    host.link().tell("ssh-login", login),
  );
  const flush = () => {
    if (host.link().isConnected())
      void outbox
        .flush()
        .catch((error: unknown) => log.debug("logins wait for the hub", { why: String(error) }));
  };
  const present = tellPresent({
    logins: () => gateway?.logins() ?? [],
    isConnected: () => host.link().isConnected(),
    tell: (all) => host.link().tell("ssh-present", all),
  });
  const local = state.kind === "local";
  let gateway: SshGateway | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  let closed = false;

  async function open(): Promise<void> {
    try {
      // Loaded here: a host without it starts sooner.
      const { openSshGateway } = await import("./gateway.ts");
      gateway = await openSshGateway({
        hostname: local ? undefined : "127.0.0.1",
        port: local ? state.ports.ssh : ports.hostSsh,
        key,
        access,
        manager,
        onChange: present,
        onLogin(login, woke) {
          const { project_id, fingerprint, software } = login;
          outbox.add({
            project_id,
            account_id: login.login.account_id,
            by: login.login.by,
            fingerprint,
            address: isLoopback(login.address) && !local ? null : login.address,
            client: software,
            woke,
          });
          flush();
        },
      });
    } catch (error) {
      // Projects run without SSH too: the daemon goes on, doctor says what holds the port.
      log.warn("SSH gateway cannot listen", { ...toProblem(error) });
      if (!closed) retry = setTimeout(() => void open(), RETRY_MS);
    }
  }

  return {
    feature: {
      async start() {
        // One person's own directory has no other people, and no door but loopback.
        if (host.plain) return;
        await open();
        timer = setInterval(flush, FLUSH_MS);
      },
      close() {
        closed = true;
        clearTimeout(retry);
        clearInterval(timer);
        gateway?.close();
      },
    },
    logins: (projectId) => gateway?.logins().filter((one) => one.project_id === projectId).length ?? 0,
    handlers: {
      async "ssh.access"(message) {
        const ended = access.take(message) ? (gateway?.recheck() ?? 0) : 0;
        flush();
        // It comes first on each new link, when the hub knows of nobody.
        present();
        return { host_key: key.publicLine, listening: gateway?.listening() ?? false, ended };
      },
    },
  };
}
