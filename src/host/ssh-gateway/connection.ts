/** One SSH connection: who it is, which project it is for, and its channels. */
import type { AuthContext, Connection, ServerChannel } from "ssh2";
import type { Peer } from "../../conat/peer.ts";
import { callProject } from "../../contract/project-client.ts";
import { CodedError, messageOf } from "../../core/errors.ts";
import { isUuid } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { blobFingerprint, parseAuthorizedKeys } from "../../core/ssh-public-key.ts";
import type { ProjectManager } from "../projects/manager.ts";
import type { AccessTable, Login } from "./access.ts";
import { serveForwards } from "./forward.ts";
import { MAX_CHANNELS, MAX_TRIES, REFUSE_AFTER_MS } from "./limits.ts";
import { serveSession } from "./session.ts";
import { overran, signatureHolds } from "./ssh2.ts";

const log = logger("ssh");
const START_TIMEOUT_MS = 180_000;
const START_POLL_MS = 50;
/** The project's own file is asked for at a login; an agent that does not answer costs no more than this. */
const OWN_KEYS_TIMEOUT_MS = 3_000;

/** What is needed of the projects here. */
export type ProjectWays = Pick<ProjectManager, "status" | "name" | "wake" | "dial">;

export interface ConnectionDeps {
  access: AccessTable;
  manager: ProjectWays;
  /** It has proved itself. */
  onReady(login: LiveLogin): void;
  /** What the hub shall hear, once it is known. `woke`: its project was stopped. */
  onLogin(session: LiveLogin, woke: boolean): void;
  onRefused(): void;
  onClose(): void;
}

export interface LiveLogin {
  project_id: string;
  login: Login;
  blob: string;
  fingerprint: string;
  software: string;
  address: string;
  since: number;
  end(): void;
}

export interface Source {
  software: string;
  address: string;
  port: number;
  localPort: number;
}

/** Whose key this is, in a project that may or may not exist. */
async function judge(deps: ConnectionDeps, user: string, blob: string): Promise<Login | undefined> {
  if (!isUuid(user)) return undefined;
  const known = deps.access.find(user, blob);
  if (known !== undefined) return known;
  if (!deps.access.knows(user)) return undefined;
  return (await ownKeys(deps.manager, user)).has(blob)
    ? { by: "authorized_keys", account_id: null }
    : undefined;
}

/** Last seen, for a project that is stopped: its file cannot be read then, and a stranger must not start it. */
const lastOwnKeys = new Map<string, ReadonlySet<string>>();

async function ownKeys(manager: ProjectWays, projectId: string): Promise<ReadonlySet<string>> {
  if (manager.status(projectId)?.state !== "running") return lastOwnKeys.get(projectId) ?? new Set();
  let peer: Peer | undefined;
  try {
    peer = await manager.dial(projectId);
    const timeout = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error("no answer")), OWN_KEYS_TIMEOUT_MS),
    );
    const { text } = await Promise.race([callProject(peer, projectId, "ssh.authorized-keys", {}), timeout]);
    const keys = new Set(parseAuthorizedKeys(text).map((key) => key.blob));
    lastOwnKeys.set(projectId, keys);
    return keys;
  } catch (error) {
    log.warn("a project's authorized_keys cannot be read", { project_id: projectId, why: messageOf(error) });
    return new Set();
  } finally {
    peer?.close();
  }
}

export function serveConnection(client: Connection, source: Source, deps: ConnectionDeps): void {
  let tries = 0;
  let live: LiveLogin | undefined;
  client.on("error", () => {
    // Broken, malformed or timed out: `close` follows, and sees to the rest.
  });

  client.on("authentication", (context) => {
    void authenticate(context).catch((error: unknown) => {
      log.warn("a login failed", { why: messageOf(error) });
      context.reject(["publickey"]);
    });
  });

  async function authenticate(context: AuthContext): Promise<void> {
    // Clients ask with `none` what there is; the answer is the same for everybody.
    if (context.method !== "publickey") {
      context.reject(["publickey"]);
      return;
    }
    const began = performance.now();
    const blob = context.key.data.toString("base64");
    const login = await judge(deps, context.username, blob);
    if (login !== undefined && context.signature === undefined) {
      context.accept();
      return;
    }
    if (login !== undefined && signatureHolds(context)) {
      live = {
        project_id: context.username,
        login,
        blob,
        fingerprint: blobFingerprint(context.key.data),
        software: source.software.slice(0, 200),
        address: source.address,
        since: Date.now(),
        end: () => client.end(),
      };
      context.accept();
      return;
    }
    tries += 1;
    deps.onRefused();
    await Bun.sleep(Math.max(0, REFUSE_AFTER_MS - (performance.now() - began)));
    if (tries >= MAX_TRIES) client.end();
    else context.reject(["publickey"]);
  }

  client.once("ready", () => {
    if (live === undefined) return;
    deps.onReady(live);
    serveLogin(client, source, deps, live);
  });
  client.once("close", () => deps.onClose());
}

function serveLogin(client: Connection, source: Source, deps: ConnectionDeps, live: LiveLogin): void {
  const { project_id } = live;
  const { manager } = deps;
  const channels = new Set<ServerChannel>();
  let agent: Promise<Peer> | undefined;
  let told = false;

  const tell = (woke: boolean) => {
    if (told) return;
    told = true;
    deps.onLogin(live, woke);
  };
  // At once, unless a start is part of it.
  if (manager.status(project_id)?.state === "running") tell(false);

  const countChannel = (channel: ServerChannel) => {
    channels.add(channel);
    channel.once("close", () => channels.delete(channel));
    if (channels.size > MAX_CHANNELS) client.end();
  };
  // ssh2 keeps what a client sends beyond its window: such a client is ended.
  const { _sock: socket } = client as unknown as { _sock: NodeJS.EventEmitter };
  socket.on("data", () => {
    for (const channel of channels) if (overran(channel)) client.end();
  });

  async function dial(say: (line: string) => void): Promise<Peer> {
    const state = manager.status(project_id)?.state;
    if (state !== "running") {
      say(
        `cocalc: the project ${printable(manager.name(project_id))} is ${state ?? "not here"}; starting it …`,
      );
      tell(true);
      await started(manager, project_id);
    }
    tell(false);
    const peer = await manager.dial(project_id);
    peer.onClose(() => {
      agent = undefined;
    });
    return peer;
  }
  const reach = (say: (line: string) => void = () => {}): Promise<Peer> => {
    agent ??= dial(say).catch((error: unknown) => {
      agent = undefined;
      throw error;
    });
    return agent;
  };

  const forwards = serveForwards(client, { project_id, agent: () => reach(), countChannel });
  const where = `${source.address} ${source.port}`;
  let sessions = 0;
  client.on("session", (accept, reject) => {
    if (sessions >= MAX_CHANNELS) {
      reject();
      return;
    }
    const session = accept();
    sessions += 1;
    session.once("close", () => {
      sessions -= 1;
    });
    serveSession(session, {
      project_id,
      agent: reach,
      env: {
        SSH_CLIENT: `${where} ${source.localPort}`,
        SSH_CONNECTION: `${where} 127.0.0.1 ${source.localPort}`,
      },
      forwardAgent: () => forwards.agentSocket(),
      countChannel,
    });
  });
  client.once("close", () => {
    tell(false);
    forwards.close();
    void agent?.then((peer) => peer.close()).catch(() => {});
  });
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]/g, "?").slice(0, 100);

/** Waits until it runs, or says why it does not. */
async function started(manager: ProjectWays, projectId: string): Promise<void> {
  manager.wake(projectId);
  const end = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const status = manager.status(projectId);
    if (status?.state === "running") return;
    if (status === undefined || status.state === "failed") {
      throw new CodedError(
        status?.problem ?? { code: "project.unknown", title: "That project is not on this host" },
      );
    }
    if (Date.now() > end) {
      throw new CodedError({
        code: "project.timeout",
        title: `The project is still ${status.state} after ${START_TIMEOUT_MS / 1000} s`,
        fix: "Try again; its page in the browser shows what it waits for.",
      });
    }
    await Bun.sleep(START_POLL_MS);
  }
}
