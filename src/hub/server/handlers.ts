/** What a request or upgrade on a door is for: judged, its caller found, and given to its part. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Hono } from "hono";
import { WebSocketServer } from "ws";
import { Peer } from "../../conat/peer.ts";
import { MAX_WS_MESSAGE_BYTES, type WebSocketLike, webSocketTransport } from "../../conat/transport-ws.ts";
import type { Changed } from "../../contract/api.ts";
import { leadingId } from "../../contract/app-path.ts";
import { isFilesUrl } from "../../contract/files-http.ts";
import { CONAT_GRANT_SECONDS, GRANT_HEADER, type ProjectRight } from "../../contract/grants.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { createAgent, refuseUpgrade, relayUpgrade } from "../../core/relay/relay.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";
import { type ApiEnv, problemResponse } from "../api/kit.ts";
import type { PublicRoutes } from "../artifacts/public-routes.ts";
import type { FilesDoor } from "../files/files-door.ts";
import type { ControlLinks } from "../hosts/control-link.ts";
import type { BrowserLinks } from "../live/browser-links.ts";
import type { Events } from "../live/events.ts";
import type { PlusDoor } from "../plus/door.ts";
import type { ProjectStore } from "../projects/store.ts";
import type { Directory } from "../proxy/directory.ts";
import type { Gateway } from "../proxy/gateway.ts";
import type { GrantCache } from "../proxy/grant-cache.ts";
import { isTooLarge, sendResponse, toRequest, webHeaders } from "./adapter.ts";
import type { DoorHandlers, DoorInfo } from "./doors.ts";
import { judgeRequest, type RequestShape } from "./judge.ts";
import type { StaticUi } from "./static.ts";

const log = logger("server");
/** A page gives up after ten seconds; who has more patience says so (`Prefer: wait=SECONDS`, RFC 7240). */
const HOST_ANSWER_MS = 8_000;
const MOST_PATIENCE_S = 60;

function answerWithin(prefer: string | string[] | undefined): number {
  const wait = /(?:^|[\s,;])wait=(\d{1,3})(?:$|[\s,;])/i.exec(String(prefer ?? ""))?.[1];
  return wait === undefined ? HOST_ANSWER_MS : Math.min(Number(wait), MOST_PATIENCE_S) * 1_000;
}

export interface HandlerDeps {
  api: Hono<ApiEnv>;
  ui: StaticUi;
  gateway: Gateway;
  files: FilesDoor;
  publicRoutes: PublicRoutes;
  controlLinks: ControlLinks;
  browserLinks: BrowserLinks;
  directory: Directory;
  projects: ProjectStore;
  events: Events;
  grants: GrantCache;
  authenticate(headers: Headers, secure: boolean): Promise<Caller | null>;
  hostOf(req: IncomingMessage): Promise<string | undefined>;
  /** Bearer by which the hub opens a socket to itself (doctor). */
  selfToken: string;
  /** Exchanges Plus's token for a cookie. */
  plusDoor: PlusDoor | undefined;
}

export function createHandlers(deps: HandlerDeps): DoorHandlers {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_WS_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  const agent = createAgent();

  function shape(req: IncomingMessage, kind: RequestShape["kind"], upgrade: boolean): RequestShape {
    const one = (name: string) => {
      const value = req.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return {
      method: req.method ?? "GET",
      host: req.headers.host,
      origin: one("origin"),
      secFetchSite: one("sec-fetch-site"),
      secFetchMode: one("sec-fetch-mode"),
      contentType: one("content-type"),
      hasBody:
        req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0,
      hasCookie: req.headers.cookie !== undefined,
      hasBearer: /^bearer /i.test(one("authorization") ?? ""),
      upgrade,
      kind,
    };
  }

  async function callerOf(req: IncomingMessage, door: DoorInfo): Promise<Caller | null> {
    if (door.kind === "local") return LOCAL_ADMIN;
    return await deps.authenticate(webHeaders(req), door.secure);
  }

  async function serve(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
    if (door.kind === "apps") {
      deps.gateway.request(req, res, door);
      return;
    }
    // Where Prometheus looks unless it is told otherwise.
    if (req.url === "/metrics") req.url = "/api/metrics";
    const path = (req.url ?? "/").split("?")[0] ?? "/";
    const isApi = path === "/api" || path.startsWith("/api/");
    const isFiles = isFilesUrl(path);
    const isPublic = deps.publicRoutes.owns(path);
    if (door.kind !== "local") {
      const kind = isApi ? "api" : isFiles ? "files" : isPublic ? "public" : "page";
      const refused = judgeRequest(shape(req, kind, false), door);
      if (refused) {
        await sendResponse(problemResponse(new CodedError(refused)), req, res);
        return;
      }
    }
    if (door.kind === "ui" && deps.plusDoor?.owns(path)) {
      await deps.plusDoor.request(req, res);
      return;
    }
    if (isPublic) {
      await deps.publicRoutes.request(req, res, path);
      return;
    }
    if (isApi) {
      if (isTooLarge(req)) {
        await sendResponse(
          problemResponse(
            new CodedError({ code: "request.too-large", title: "The request is too large", status: 413 }),
          ),
          req,
          res,
        );
        return;
      }
      const caller = await callerOf(req, door);
      const request = toRequest(req, `${door.scheme}://${req.headers.host ?? "localhost"}`);
      const facts = { caller, secure: door.secure, address: req.socket.remoteAddress ?? "local" };
      await sendResponse(await deps.api.fetch(request, facts), req, res);
      return;
    }
    if (isFiles) {
      await deps.files.request(req, res, await callerOf(req, door));
      return;
    }
    if (deps.gateway.request(req, res, door)) return;
    if (await deps.ui.serve(req, res)) return;
    const missing = new CodedError({ code: "route.not-found", title: `There is no ${path}`, status: 404 });
    await sendResponse(problemResponse(missing), req, res);
  }

  function accept(req: IncomingMessage, socket: Duplex, head: Buffer, attach: (peer: Peer) => void): void {
    sockets.handleUpgrade(req, socket as never, head, (ws) => {
      attach(new Peer(webSocketTransport(ws as unknown as WebSocketLike)));
    });
  }

  async function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, door: DoorInfo): Promise<void> {
    if (deps.gateway.upgrade(req, socket, head, door)) return;
    const path = (req.url ?? "/").split("?")[0] ?? "/";
    if (path === "/conat" && door.kind === "ui") {
      const hostId = await deps.hostOf(req);
      if (hostId !== undefined) {
        accept(req, socket, head, (peer) => deps.controlLinks.attach(hostId, peer));
        return;
      }
      if (req.headers.authorization === `Bearer ${deps.selfToken}`) {
        accept(req, socket, head, (peer) => deps.browserLinks.attach(peer, LOCAL_ADMIN));
        return;
      }
    }
    if (door.kind !== "local") {
      const refused = judgeRequest(shape(req, "api", true), door);
      if (refused) throw new CodedError(refused);
    }
    const caller = await callerOf(req, door);
    if (!caller) throw new CodedError({ code: "auth.required", title: "Sign in first", status: 401 });
    if (path === "/conat") {
      accept(req, socket, head, (peer) => deps.browserLinks.attach(peer, caller));
      return;
    }
    const id = leadingId(path);
    if (id === undefined || path !== `/${id}/conat`) {
      throw new CodedError({ code: "route.not-found", title: `There is no socket at ${path}`, status: 404 });
    }
    await toHost(req, socket, head, caller, id);
  }

  /** `/<host_id>/conat`, and for convenience `/<project_id>/conat`: one socket per host, whatever projects are open. */
  async function toHost(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    caller: Caller,
    id: string,
  ): Promise<void> {
    let hostId = id;
    let port = await deps.directory.hostPort(id);
    if (port === undefined) {
      hostId = (await deps.projects.get(caller, id)).host_id ?? "";
      port = await deps.directory.hostPort(hostId);
    }
    const projects = await deps.projects.onHost(caller, hostId);
    if (port === undefined || (projects.length === 0 && !caller.admin)) {
      throw new CodedError({ code: "host.not-found", title: `There is no host ${id}`, status: 404 });
    }
    const grant = await deps.grants.sign(
      { kind: "conat", sub: caller.account_id, name: caller.name, projects },
      hostId,
      CONAT_GRANT_SECONDS,
    );
    const held = { caller, hostId, rights: JSON.stringify(projects), end: () => socket.destroy() };
    granted.add(held);
    socket.once("close", () => granted.delete(held));
    relayUpgrade(
      req,
      socket,
      head,
      {
        agent,
        host: "127.0.0.1",
        port,
        path: "/conat",
        answerMs: answerWithin(req.headers.prefer),
        // Nothing of the browser's own goes on: the grant says all that the host must know.
        headersOut: (headers) => [
          ...headers.filter(([name]) => /^(sec-websocket-.*|host)$/i.test(name)),
          [GRANT_HEADER, grant],
        ],
        headersBack: (headers) => headers.filter(([name]) => /^sec-websocket-/i.test(name)),
      },
      (error) => {
        // A page asks again and again and shows no more than that it waits.
        log.warn("a browser's socket did not reach its host", { host_id: hostId, port }, error);
        refuse(socket, error);
      },
    );
  }

  /** Browsers' sockets to hosts, with what they were granted. */
  const granted = new Set<{ caller: Caller; hostId: string; rights: string; end: () => void }>();

  /** A socket that was granted more than its person has now ends; the page connects anew, with what is left. */
  async function recheckSockets(event: Changed): Promise<void> {
    if (event.kind !== "project" && event.kind !== "user") return;
    for (const one of [...granted]) {
      if (event.kind === "user" && event.id !== one.caller.account_id) continue;
      if (event.kind === "project" && !one.rights.includes(event.id)) continue;
      const before = JSON.parse(one.rights) as ProjectRight[];
      const after = await deps.projects.onHost(one.caller, one.hostId);
      const same = before.every(
        (right) =>
          JSON.stringify(right) ===
          JSON.stringify(after.find((other) => other.project_id === right.project_id)),
      );
      if (!same) one.end();
    }
  }
  deps.events.onChanged((event) => {
    recheckSockets(event).catch((error: unknown) =>
      log.error("sockets were not looked at again", event, error),
    );
  });

  function refuse(socket: Duplex, error: unknown): void {
    const problem = toProblem(error);
    refuseUpgrade(socket, problem.status ?? 502, JSON.stringify(problem), "application/problem+json");
  }

  return {
    request(req, res, door) {
      serve(req, res, door).catch((error: unknown) => {
        log.error("a request failed", { url: req.url }, error);
        if (!res.headersSent) res.writeHead(500).end();
        else res.destroy();
      });
    },
    upgrade(req, socket, head, door) {
      socket.on("error", () => socket.destroy());
      upgrade(req, socket, head, door).catch((error: unknown) => refuse(socket, error));
    },
  };
}
