/**
 * The host's HTTP, on 127.0.0.1 alone. A process on this machine, or another host's stale listener, may sit on a port:
 * so nothing is answered without a grant but the signed echo, by which the hub knows that it is us.
 */
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { Peer } from "../../conat/peer.ts";
import { MAX_WS_MESSAGE_BYTES, type WebSocketLike, webSocketTransport } from "../../conat/transport-ws.ts";
import { type AppPath, parseAppPath } from "../../contract/app-path.ts";
import {
  GRANT_HEADER,
  type Grant,
  PROXY_GRANT_REUSE_SECONDS,
  signAssertion,
  verifyGrant,
} from "../../contract/grants.ts";
import { renderProblem, wantsPage } from "../../contract/problem-page.ts";
import { CodedError, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { portInUse } from "../../core/ports.ts";
import type { RawHeader } from "../../core/relay/headers.ts";
import { type RelayTarget, refuseUpgrade, relayRequest, relayUpgrade } from "../../core/relay/relay.ts";
import type { KeyPair } from "../../core/ssh-keys.ts";
import { type HostState, hubVerifyingKey } from "../state.ts";

const log = logger("host-http");

export interface Agents {
  /** A byte stream to a port inside a running project. Errors: `project.unknown`, `project.not-running`, `splice.refused`. */
  splice(projectId: string, port: number): Promise<Duplex>;
  /** What listens inside, for the page that says nothing listens here. */
  ports(projectId: string): Promise<{ port: number; command: string }[]>;
  known(projectId: string): boolean;
}

export interface ConatSession {
  grant: Extract<Grant, { kind: "conat" }>;
  expires_at: number;
}

export interface HostHttp {
  close(): void;
}

/** Idle connections into a project are few: each is a splice of its own. */
const MAX_FREE_SOCKETS = 8;

/** An agent (node's kind) whose connections are splices into one port of one project. */
class SpliceAgent extends Agent {
  readonly #dial: () => Promise<Duplex>;
  constructor(dial: () => Promise<Duplex>) {
    super({ keepAlive: true, maxSockets: 256, maxFreeSockets: MAX_FREE_SOCKETS });
    this.#dial = dial;
  }
  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial().then(
      (stream) => {
        callback?.(null, stream);
        // It comes paused, so that nothing is lost before somebody listens; Bun's client does not resume it.
        stream.resume();
      },
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  }
}

export async function createHostHttp(options: {
  port: number;
  state: HostState;
  key: KeyPair;
  agents: Agents;
  onConat(peer: Peer, session: ConatSession): void;
}): Promise<HostHttp> {
  const { state, agents } = options;
  const hubKey = hubVerifyingKey(state);
  const verified = new Map<string, { grant: Grant & { expires_at: number }; until: number }>();
  const splices = new Map<string, SpliceAgent>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_WS_MESSAGE_BYTES,
    perMessageDeflate: false,
  });

  async function grantOf(req: IncomingMessage): Promise<Grant & { expires_at: number }> {
    const token = req.headers[GRANT_HEADER];
    if (typeof token !== "string") {
      throw new CodedError({ code: "grant.missing", title: "This door is for the hub alone", status: 403 });
    }
    const now = Date.now();
    const known = verified.get(token);
    if (known && known.until > now) return known.grant;
    const grant = await verifyGrant(token, {
      key: hubKey as never,
      hubId: state.hub_id,
      hostId: state.host_id,
    });
    if (verified.size > 10_000) verified.clear();
    verified.set(token, {
      grant,
      until: Math.min(now + PROXY_GRANT_REUSE_SECONDS * 1000, grant.expires_at * 1000),
    });
    return grant;
  }

  async function echo(url: URL, res: ServerResponse): Promise<void> {
    const nonce = url.searchParams.get("nonce") ?? "";
    if (!/^[A-Za-z0-9_-]{8,64}$/.test(nonce))
      throw new CodedError({ code: "echo.bad-nonce", title: "A nonce is needed", status: 400 });
    const assertion = await signAssertion(
      "echo",
      { nonce, time: Date.now() / 1000 },
      { key: options.key.privateKey as never, hubId: state.hub_id, hostId: state.host_id },
    );
    res.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    res.end(JSON.stringify({ assertion }));
  }

  function agentFor(projectId: string, port: number): SpliceAgent {
    const id = `${projectId} ${port}`;
    let agent = splices.get(id);
    if (!agent) {
      if (splices.size > 5_000) {
        for (const one of splices.values()) one.destroy();
        splices.clear();
      }
      agent = new SpliceAgent(() => agents.splice(projectId, port));
      splices.set(id, agent);
    }
    return agent;
  }

  async function targetOf(req: IncomingMessage): Promise<{ target: RelayTarget; path: AppPath }> {
    const path = parseAppPath(req.url ?? "");
    const grant = await grantOf(req);
    if (!path)
      throw new CodedError({ code: "app.no-such-page", title: "There is no such page", status: 404 });
    if (grant.kind !== "proxy" || grant.project_id !== path.project_id || grant.port !== path.port) {
      throw new CodedError({
        code: "grant.other-purpose",
        title: "The grant is for something else",
        status: 403,
      });
    }
    if (!agents.known(path.project_id)) {
      throw new CodedError({
        code: "project.unknown",
        title: "That project is not on this host",
        status: 404,
      });
    }
    return { path, target: appTarget(path, agentFor(path.project_id, path.port)) };
  }

  async function withPorts(error: CodedError, path: AppPath): Promise<ProblemDetails> {
    const codes = ["splice.refused", "proxy.refused", "proxy.broken"];
    if (!codes.includes(error.code)) return error.details;
    const listening = await agents.ports(path.project_id).catch(() => []);
    const others = listening
      .filter((one) => one.port !== path.port)
      .map((one) => `${one.port} (${one.command})`);
    const nothing = !listening.some((one) => one.port === path.port);
    const seen =
      others.length > 0 ? `Listening now: ${others.slice(0, 20).join(", ")}.` : "No other program listens.";
    return {
      code: nothing ? "app.nothing-listens" : "app.broken",
      title: nothing
        ? `Nothing listens on port ${path.port} in this project`
        : `The program on port ${path.port} broke off before it answered`,
      why: nothing ? seen : (error.details.why ?? error.message),
      fix: nothing
        ? `Start it in a terminal, so that it listens on port ${path.port}, and reload.`
        : "See its own output.",
      status: 502,
    };
  }

  function fail(req: IncomingMessage, res: ServerResponse, problem: ProblemDetails): void {
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const answer = renderProblem(problem, wantsPage(req.headers));
    res.writeHead(answer.status, answer.headers);
    res.end(req.method === "HEAD" ? undefined : answer.body);
  }

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "/", "http://host");
    if (url.pathname === "/echo" && req.method === "GET") {
      await echo(url, res);
      return;
    }
    const { target, path } = await targetOf(req);
    relayRequest(req, res, target, (error) => {
      void withPorts(error, path).then((problem) => fail(req, res, problem));
    });
  }

  async function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const refuse = (problem: ProblemDetails) =>
      refuseUpgrade(socket, problem.status ?? 502, JSON.stringify(problem), "application/problem+json");
    if ((req.url ?? "").split("?")[0] === "/conat") {
      const grant = await grantOf(req);
      if (grant.kind !== "conat")
        throw new CodedError({
          code: "grant.other-purpose",
          title: "The grant is for something else",
          status: 403,
        });
      sockets.handleUpgrade(req, socket as never, head, (ws) => {
        options.onConat(new Peer(webSocketTransport(ws as unknown as WebSocketLike)), {
          grant,
          expires_at: grant.expires_at,
        });
      });
      return;
    }
    const { target, path } = await targetOf(req);
    relayUpgrade(req, socket, head, target, (error) => void withPorts(error, path).then(refuse));
  }

  const server: Server = createServer();
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    serve(req, res).catch((error: unknown) => fail(req, res, toProblem(error)));
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    upgrade(req, socket, head).catch((error: unknown) => {
      const problem = toProblem(error);
      refuseUpgrade(socket, problem.status ?? 502, JSON.stringify(problem), "application/problem+json");
    });
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", () => reject(portInUse(options.port, "project host HTTP")));
    server.listen(options.port, "127.0.0.1", () => resolve());
  });
  log.info("host HTTP listens", { port: options.port });
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What the app sees: for `proxy` its own root, told of the prefix; for `port` the whole path. */
function appTarget(path: AppPath, agent: Agent): RelayTarget {
  const strips = path.kind === "proxy";
  return {
    agent,
    host: "127.0.0.1",
    port: path.port,
    path: strips ? path.rest || "/" : path.prefix + path.rest,
    headersOut(headers) {
      const kept = headers.filter(([name]) => name.toLowerCase() !== GRANT_HEADER);
      if (strips) kept.push(["X-Forwarded-Prefix", path.prefix]);
      return kept;
    },
    headersBack: (headers) => (strips ? headers.map((header) => underPrefix(header, path)) : headers),
  };
}

/** An app that knows nothing of the prefix sends `/login`: that is `/<project_id>/proxy/8000/login` to the browser. */
export function underPrefix([name, value]: RawHeader, path: Pick<AppPath, "prefix" | "port">): RawHeader {
  const key = name.toLowerCase();
  if (key === "location" || key === "content-location") {
    if (value.startsWith("//")) return [name, value];
    if (value.startsWith("/"))
      return [name, value.startsWith(`${path.prefix}/`) ? value : path.prefix + value];
    const own = new RegExp(`^https?://(localhost|127\\.0\\.0\\.1|\\[::1\\]):${path.port}(?=/|$)`);
    return [name, own.test(value) ? path.prefix + (value.replace(own, "") || "/") : value];
  }
  if (key === "set-cookie") {
    return [
      name,
      value.replace(
        /(;\s*path=)(\/[^;]*)/i,
        (_all, before: string, at: string) => before + (at.startsWith(path.prefix) ? at : path.prefix + at),
      ),
    ];
  }
  return [name, value];
}
