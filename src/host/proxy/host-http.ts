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
  ASK_ROOM_BYTES,
  accessFor,
  type FilesPath,
  parseFilesPath,
  ROOM_HEADER,
  VIEW_HEADER,
} from "../../contract/files-http.ts";
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
import { type AppAgents, createManagedApps } from "../apps/managed.ts";
import { type HostState, hubVerifyingKey } from "../state.ts";
import { appTarget } from "./app-target.ts";

const log = logger("host-http");

export interface Agents extends AppAgents {
  /** A byte stream to a port inside a running project. Errors: `project.unknown`, `project.not-running`, `splice.refused`. */
  splice(projectId: string, port: number): Promise<Duplex>;
  /** A connection to the HTTP by which a running project's agent serves its files. */
  files(projectId: string): Promise<Duplex>;
  /** What listens inside, for the page that says nothing listens here. */
  ports(projectId: string): Promise<{ port: number; command: string }[]>;
  known(projectId: string): boolean;
  /** Bytes that a project may still use; undefined where there is no limit, or nobody can tell now. */
  room(projectId: string): Promise<number | undefined>;
}

export interface ConatSession {
  grant: Extract<Grant, { kind: "conat" }>;
  expires_at: number;
}

export interface HostHttp {
  close(): void;
}

/** As many as may be busy: with fewer kept, a page under load dials a new splice for most requests (half the speed). */
const MAX_SOCKETS = 256;
/** Idle ones go soon: each is a splice of its own in the agent. */
const IDLE_MS = 4_000;

/** An agent (node's kind) whose connections are splices into one project: one port of it, or its files. */
class SpliceAgent extends Agent {
  readonly #dial: () => Promise<Duplex>;
  constructor(dial: () => Promise<Duplex>) {
    super({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_SOCKETS, timeout: IDLE_MS });
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

  function agentFor(projectId: string, into: number | "files"): SpliceAgent {
    const id = `${projectId} ${into}`;
    let agent = splices.get(id);
    if (!agent) {
      if (splices.size > 5_000) {
        for (const one of splices.values()) one.destroy();
        splices.clear();
      }
      agent = new SpliceAgent(() =>
        into === "files" ? agents.files(projectId) : agents.splice(projectId, into),
      );
      splices.set(id, agent);
    }
    return agent;
  }

  const managed = createManagedApps({ agents, agentFor });

  /** The path, when the grant is for it and its project is here. */
  async function granted(req: IncomingMessage): Promise<AppPath> {
    const path = parseAppPath(req.url ?? "");
    const grant = await grantOf(req);
    if (!path)
      throw new CodedError({ code: "app.no-such-page", title: "There is no such page", status: 404 });
    if (
      grant.kind !== "proxy" ||
      grant.project_id !== path.project_id ||
      JSON.stringify(grant.target) !== JSON.stringify(path.target)
    ) {
      throw new CodedError({
        code: "grant.other-purpose",
        title: "The grant is for something else",
        status: 403,
      });
    }
    mustKnow(path.project_id);
    return path;
  }

  function portTarget(path: AppPath, port: number): RelayTarget {
    const base = path.kind === "proxy" ? "strip" : "keep";
    return appTarget({ ...path, port, base }, agentFor(path.project_id, port));
  }

  function mustKnow(projectId: string): void {
    if (agents.known(projectId)) return;
    throw new CodedError({ code: "project.unknown", title: "That project is not on this host", status: 404 });
  }

  /** Files go to the project's agent as they are; what a browser may see of its answers is the hub's to say. */
  async function serveFiles(req: IncomingMessage, res: ServerResponse, path: FilesPath): Promise<void> {
    const grant = await grantOf(req);
    const needed = accessFor(path.verb, req.method ?? "GET");
    const mine = grant.kind === "files" && grant.project_id === path.project_id ? grant : undefined;
    const granted = mine?.access;
    const seen = mine?.paths;
    if (needed === undefined || granted === undefined || (needed === "write" && granted !== "write")) {
      throw new CodedError({
        code: "grant.other-purpose",
        title: "The grant is for something else",
        status: 403,
      });
    }
    mustKnow(path.project_id);
    const announced = req.method === "POST" ? Number(req.headers["upload-length"] ?? 0) : 0;
    const room = announced > ASK_ROOM_BYTES ? await agents.room(path.project_id) : undefined;
    const target: RelayTarget = {
      agent: agentFor(path.project_id, "files"),
      host: "127.0.0.1",
      port: 80,
      path: req.url ?? "",
      headersOut: (headers) => [
        ...headers.filter(([name]) => ![GRANT_HEADER, ROOM_HEADER, VIEW_HEADER].includes(name.toLowerCase())),
        ...(room === undefined ? [] : [[ROOM_HEADER, String(room)] satisfies RawHeader]),
        ...(seen === undefined
          ? []
          : [[VIEW_HEADER, encodeURIComponent(JSON.stringify(seen))] satisfies RawHeader]),
      ],
      headersBack: (headers) => headers,
    };
    relayRequest(req, res, target, (error) => fail(req, res, error.details));
  }

  async function withPorts(error: CodedError, path: AppPath): Promise<ProblemDetails> {
    const codes = ["splice.refused", "proxy.refused", "proxy.broken"];
    if (!codes.includes(error.code)) return error.details;
    if ("app" in path.target) {
      managed.forget(path);
      return {
        code: "app.broken",
        title: `The app ${path.target.app} broke off before it answered`,
        why: error.details.why ?? error.message,
        fix: "Reload: if it ended it is started again. Its log is on the project's Apps page.",
        status: 502,
      };
    }
    const { port } = path.target;
    const listening = await agents.ports(path.project_id).catch(() => []);
    const others = listening.filter((one) => one.port !== port).map((one) => `${one.port} (${one.command})`);
    const nothing = !listening.some((one) => one.port === port);
    const seen =
      others.length > 0
        ? `Listening now: ${[...new Set(others)].slice(0, 100).join(", ")}.`
        : "No other program listens.";
    return {
      code: nothing ? "app.nothing-listens" : "app.broken",
      title: nothing
        ? `Nothing listens on port ${port} in this project`
        : `The program on port ${port} broke off before it answered`,
      why: nothing ? seen : (error.details.why ?? error.message),
      fix: nothing
        ? `Start it in a terminal, so that it listens on port ${port}, and reload.`
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
    const files = parseFilesPath(req.url ?? "");
    if (files) {
      await serveFiles(req, res, files);
      return;
    }
    const path = await granted(req);
    const target =
      "app" in path.target ? await managed.request(req, res, path) : portTarget(path, path.target.port);
    if (target === undefined) return;
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
    const path = await granted(req);
    const target =
      "app" in path.target ? await managed.upgrade(req, path) : portTarget(path, path.target.port);
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
