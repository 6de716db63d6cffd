/** Forwards: connections that the client asks for (-L, -D, -W), and listeners in the project for it (-R, -A). */
import type { Connection, ServerChannel } from "ssh2";
import type { Peer } from "../../conat/peer.ts";
import type { ConatStream } from "../../conat/stream.ts";
import { openProject } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { joinChannel } from "./pipe.ts";
import { openAgentChannel } from "./ssh2.ts";

const MAX_LISTENERS = 64;
const LISTEN_TIMEOUT_MS = 10_000;

export interface ForwardContext {
  project_id: string;
  agent(): Promise<Peer>;
  /** Nobody may open more; counts until the channel closes. */
  countChannel(channel: ServerChannel): void;
}

type Target = { host: string; port: number } | { path: string };

export interface Forwards {
  /** Path of a socket in the project that leads to the client's agent. */
  agentSocket(): Promise<string>;
  close(): void;
}

export function serveForwards(client: Connection, context: ForwardContext): Forwards {
  const listeners = new Map<string, ConatStream>();
  let agentSocket: Promise<string> | undefined;

  async function connect(
    target: Target,
    accept: (() => ServerChannel) | undefined,
    reject: (() => void) | undefined,
  ): Promise<void> {
    try {
      const { stream } = await openProject(
        await context.agent(),
        context.project_id,
        "net.connect",
        target as never,
      );
      const channel = accept?.();
      if (channel === undefined) stream.reset(new Error("the client went away"));
      else {
        context.countChannel(channel);
        joinChannel(channel, stream);
      }
    } catch {
      // The client says “open failed”; ssh2 has no room for more words.
      reject?.();
    }
  }

  /** Listens in the project; each connection is brought to the client by `open`. */
  async function listen(
    params: Target | { agent: true },
    open: (from: { address: string; port: number }) => Promise<ServerChannel>,
  ): Promise<{ stream: ConatStream; port: number; path: string }> {
    if (listeners.size >= MAX_LISTENERS)
      throw new CodedError({ code: "ssh.limit", title: "Too many forwards" });
    const agent = await context.agent();
    const { stream, onMessage } = await openProject(agent, context.project_id, "net.listen", params as never);
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => stream.reset(new Error("no answer")), LISTEN_TIMEOUT_MS);
      stream.onClose((error) => {
        clearTimeout(timer);
        reject(error ?? new Error("it ended"));
      });
      onMessage((message) => {
        if (message.type === "listening") {
          clearTimeout(timer);
          resolve({ stream, port: message.port, path: message.path });
          return;
        }
        const { connection_id, address, port } = message;
        void (async () => {
          const channel = await open({ address: address || "127.0.0.1", port });
          try {
            const taken = await openProject(agent, context.project_id, "net.accept", { connection_id });
            context.countChannel(channel);
            joinChannel(channel, taken.stream);
          } catch {
            channel.end();
          }
        })().catch(() => {
          // The client takes no such channel: the agent closes the connection after its time.
        });
      });
    });
  }

  const viaClient =
    (open: (done: (error: Error | undefined, channel: ServerChannel) => void) => unknown) =>
    (): Promise<ServerChannel> =>
      new Promise((resolve, reject) => {
        open((error, channel) => (error ? reject(error) : resolve(channel)));
      });

  client.on("tcpip", (accept, reject, info) => {
    void connect({ host: info.destIP, port: info.destPort }, accept, reject);
  });
  client.on("openssh.streamlocal", (accept, reject, info) => {
    void connect({ path: info.socketPath }, accept, reject);
  });
  client.on("request", (accept, reject, name, info) => {
    const { bindAddr, bindPort, socketPath } = info as {
      bindAddr: string;
      bindPort: number;
      socketPath: string;
    };
    const key = socketPath === undefined ? `${bindAddr} ${bindPort}` : `unix ${socketPath}`;
    void (async () => {
      if (name === "tcpip-forward") {
        // What sshd makes of its forms: `*` and empty ask for every address of the project's own namespace.
        const host = ["", "*"].includes(bindAddr) ? "0.0.0.0" : bindAddr;
        let bound = bindPort;
        const { stream, port } = await listen({ host, port: bindPort }, ({ address, port }) =>
          viaClient((done) => client.forwardOut(bindAddr, bound, address, port, done as never))(),
        );
        bound = port;
        listeners.set(`${bindAddr} ${port}`, stream);
        accept?.(port);
      } else if (name === ("streamlocal-forward@openssh.com" as string)) {
        const { stream } = await listen({ path: socketPath }, () =>
          viaClient((done) => client.openssh_forwardOutStreamLocal(socketPath, done as never))(),
        );
        listeners.set(key, stream);
        accept?.();
      } else {
        const stream = listeners.get(key);
        listeners.delete(key);
        stream?.end();
        if (stream === undefined) reject?.();
        else accept?.();
      }
    })().catch(() => reject?.());
  });

  return {
    agentSocket() {
      agentSocket ??= listen({ agent: true }, () => openAgentChannel(client)).then(({ stream, path }) => {
        stream.onClose(() => {
          agentSocket = undefined;
        });
        return path;
      });
      return agentSocket;
    },
    close() {
      for (const stream of listeners.values()) stream.end();
      listeners.clear();
    },
  };
}
