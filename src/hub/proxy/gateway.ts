/**
 * Project pages: route → authorise → forward. They are served on the apps doors alone, an origin other than the UI's;
 * on the UI's door a navigation to one is redirected there with a ticket, and anything else is misdirected (421).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type AppPath, leadingId, parseAppPath } from "../../contract/app-path.ts";
import { type PageLink, renderProblem, wantsPage } from "../../contract/problem-page.ts";
import { CodedError, type ProblemDetails, toProblem } from "../../core/errors.ts";
import type { Ports } from "../../core/ports.ts";
import {
  createAgent,
  type RelayTarget,
  refuseUpgrade,
  relayRequest,
  relayUpgrade,
} from "../../core/relay/relay.ts";
import type { Caller } from "../accounts/caller.ts";
import type { DoorInfo } from "../server/doors.ts";
import { type AppSessions, TICKET_PARAM } from "./app-session.ts";
import type { ProjectRoute } from "./directory.ts";
import type { GrantCache } from "./grant-cache.ts";
import { headersFromHost, headersToHost } from "./hygiene.ts";

export interface GatewayDeps {
  ports: Ports;
  sessions: AppSessions;
  grants: GrantCache;
  /** May this account use this project's pages, and where are they? Throws what to show. */
  route(accountId: string, projectId: string): Promise<ProjectRoute>;
  /** Session or key of the request, as the API sees it. */
  authenticate(req: IncomingMessage, secure: boolean): Promise<Caller | null>;
}

export interface Gateway {
  /** true when the URL is about a project's pages, and was answered. */
  request(req: IncomingMessage, res: ServerResponse, door: DoorInfo): boolean;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, door: DoorInfo): boolean;
  /** Ends live sockets of a project (of one account, if given): membership ended. */
  closeFor(projectId: string, accountId?: string): void;
}

interface Live {
  project_id: string;
  account_id: string;
  socket: Duplex;
}

/** Membership of who holds a live socket is looked at again this often. */
export const RECHECK_MS = 60_000;

function problem(code: string, status: number, title: string, fix?: string): CodedError {
  return new CodedError({ code, title, status, ...(fix ? { fix } : {}) });
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { ports, sessions } = deps;
  const agent = createAgent();
  const live = new Set<Live>();

  const nameOf = (req: IncomingMessage) => (req.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
  const isNavigation = (req: IncomingMessage) => req.method === "GET" && wantsPage(req.headers);

  /** Where the UI is, seen from whoever asked. */
  function uiOrigin(req: IncomingMessage, door: DoorInfo): string {
    return door.secure ? `https://${nameOf(req)}:${ports.https}` : `http://localhost:${ports.loopbackUi}`;
  }
  /** The origin of a project's pages, seen from whoever asked. */
  function appsOrigin(req: IncomingMessage, door: DoorInfo, projectId: string): string {
    return door.secure
      ? `https://${nameOf(req)}:${ports.apps}`
      : `http://${projectId}.localhost:${ports.loopbackApps}`;
  }

  function fail(
    req: IncomingMessage,
    res: ServerResponse,
    details: ProblemDetails,
    links: PageLink[] = [],
  ): void {
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const answer = renderProblem(details, wantsPage(req.headers), links);
    res.writeHead(answer.status, answer.headers);
    res.end(req.method === "HEAD" ? undefined : answer.body);
  }
  function redirect(res: ServerResponse, location: string, cookie?: string): void {
    res.writeHead(303, {
      location,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      ...(cookie ? { "set-cookie": cookie } : {}),
    });
    res.end();
  }

  /** On the UI's door: to the project's own origin, with a ticket. */
  async function fromUi(
    req: IncomingMessage,
    res: ServerResponse,
    door: DoorInfo,
    path: AppPath,
  ): Promise<void> {
    if (!isNavigation(req)) {
      throw problem(
        "app.wrong-origin",
        421,
        "Project pages are on another origin",
        "Open the page itself first.",
      );
    }
    const caller = await deps.authenticate(req, door.secure);
    if (!caller) {
      redirect(res, `/sign-in?next=${encodeURIComponent(req.url ?? "/")}`);
      return;
    }
    await deps.route(caller.account_id, path.project_id);
    const ticket = sessions.issueTicket(caller.account_id, path.project_id);
    const clean = path.rest === "" ? `${path.prefix}/` : path.prefix + path.rest;
    redirect(
      res,
      `${appsOrigin(req, door, path.project_id)}${clean}${clean.includes("?") ? "&" : "?"}${TICKET_PARAM}=${ticket}`,
    );
  }

  /** Takes the ticket out of the URL and puts the cookie in its place. true: answered. */
  async function takeTicket(
    req: IncomingMessage,
    res: ServerResponse,
    door: DoorInfo,
    path: AppPath,
  ): Promise<boolean> {
    const url = req.url ?? "/";
    const match = new RegExp(`([?&])${TICKET_PARAM}=([A-Za-z0-9_-]{1,64})(&|$)`).exec(url);
    if (!match) return false;
    const clean = url.replace(match[0], match[3] === "&" ? (match[1] ?? "") : "");
    // A prefetch must not spend it, and a script must not use it.
    if (!isNavigation(req) || req.headers["sec-purpose"] !== undefined) {
      throw problem("app.ticket-misused", 403, "A ticket is for opening a page");
    }
    const account = sessions.redeem(match[2] ?? "", path.project_id);
    if (account === undefined) {
      redirect(res, `${uiOrigin(req, door)}${clean}`);
      return true;
    }
    // Cookies ignore ports: where the session's is seen here too, it must be the same person's.
    const caller = await deps.authenticate(req, door.secure);
    if (caller && caller.account_id !== account) {
      throw problem("app.ticket-of-another", 403, "This link was made for somebody else");
    }
    redirect(res, clean, sessions.setCookie(account, path.project_id, door.secure));
    return true;
  }

  /** On one machine each project has an origin of its own: `<project_id>.localhost`. */
  function hostFits(req: IncomingMessage, door: DoorInfo, projectId: string): boolean {
    const host = (req.headers.host ?? "").toLowerCase();
    if (door.secure) return door.hosts.has(host);
    return host === `${projectId}.localhost:${door.port}`;
  }

  async function accountOf(
    req: IncomingMessage,
    door: DoorInfo,
    projectId: string,
  ): Promise<{ id: string; bearer: boolean } | undefined> {
    if (/^Bearer lpk_/i.test(req.headers.authorization ?? "") && req.headers.cookie === undefined) {
      const caller = await deps.authenticate(req, door.secure);
      return caller ? { id: caller.account_id, bearer: true } : undefined;
    }
    const id = sessions.read(req.headers.cookie, projectId, door.secure);
    return id === undefined ? undefined : { id, bearer: false };
  }

  /** Another project's page, on the same name, is another site to us. */
  function judgeOrigin(req: IncomingMessage, door: DoorInfo, upgrade: boolean): void {
    const own = `${door.scheme}://${(req.headers.host ?? "").toLowerCase()}`;
    const { origin } = req.headers;
    const site = req.headers["sec-fetch-site"];
    const foreignOrigin = origin !== undefined && origin.toLowerCase() !== own;
    const foreignSite = typeof site === "string" && site !== "same-origin" && site !== "none";
    const navigation =
      req.headers["sec-fetch-mode"] === "navigate" && (req.method === "GET" || req.method === "HEAD");
    if (
      (upgrade && (origin === undefined || foreignOrigin)) ||
      (!navigation && (foreignOrigin || foreignSite))
    ) {
      throw problem("app.foreign-origin", 403, "A request from another origin is refused");
    }
  }

  async function target(req: IncomingMessage, door: DoorInfo, path: AppPath, upgrade: boolean) {
    const account = await accountOf(req, door, path.project_id);
    if (!account) return undefined;
    if (!account.bearer) judgeOrigin(req, door, upgrade);
    const route = await deps.route(account.id, path.project_id);
    const grant = await deps.grants.proxy({
      account_id: account.id,
      project_id: path.project_id,
      port: path.port,
      host_id: route.host_id,
    });
    const relayed: RelayTarget = {
      agent,
      host: "127.0.0.1",
      port: route.port,
      path: path.prefix + path.rest,
      headersOut: (headers) =>
        headersToHost(headers, {
          grant,
          address: req.socket.remoteAddress ?? "",
          host: req.headers.host ?? "",
          scheme: door.scheme,
          dropAuthorization: account.bearer,
        }),
      headersBack: (headers) => headersFromHost(headers),
    };
    return { account: account.id, relayed };
  }

  function parsed(req: IncomingMessage): AppPath {
    const path = parseAppPath(req.url ?? "");
    if (path) return path;
    throw problem(
      "app.no-such-page",
      404,
      "There is no such page",
      "A project's web server is at /<project_id>/proxy/<port>/, with a port from 1 to 65535.",
    );
  }

  async function onApps(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
    const path = parsed(req);
    if (!hostFits(req, door, path.project_id)) {
      // `localhost` for a person who typed it: on to the project's own name.
      if (!door.secure && door.hosts.has((req.headers.host ?? "").toLowerCase()) && isNavigation(req)) {
        redirect(res, `${appsOrigin(req, door, path.project_id)}${req.url}`);
        return;
      }
      throw problem("request.wrong-host", 421, "These pages do not go by that name");
    }
    if (await takeTicket(req, res, door, path)) return;
    if (path.rest === "") {
      redirect(res, `${path.prefix}/`);
      return;
    }
    const found = await target(req, door, path, false);
    if (!found) {
      if (isNavigation(req)) {
        redirect(res, `${uiOrigin(req, door)}${req.url}`);
        return;
      }
      throw problem("auth.required", 401, "Open the page in the browser first, or send an API key");
    }
    relayRequest(req, res, found.relayed, (error) => fail(req, res, away(error)));
  }

  /** What a broken way to the host means to whoever looks at the page. */
  function away(error: CodedError): ProblemDetails {
    if (error.code !== "proxy.refused" && error.code !== "proxy.broken") return error.details;
    return {
      code: "host.away",
      title: "The project's host does not answer",
      why: error.details.why,
      fix: "It connects again by itself; reload in a moment. An admin sees more on the Hosts page.",
      status: 504,
    };
  }

  return {
    request(req, res, door) {
      const url = req.url ?? "";
      if (door.kind === "ui") {
        const path = parseAppPath(url);
        if (!path) {
          if (!/^\/[0-9a-f-]{36}\/(proxy|port|apps)\//.test(url)) return false;
          fail(req, res, toProblem(problem("app.no-such-page", 404, "There is no such page")));
          return true;
        }
        fromUi(req, res, door, path).catch((error: unknown) => fail(req, res, toProblem(error), back(url)));
        return true;
      }
      onApps(req, res, door).catch((error: unknown) =>
        fail(req, res, toProblem(error), [
          { href: `${uiOrigin(req, door)}/projects/${leadingId(url) ?? ""}`, label: "Open the project" },
        ]),
      );
      return true;
    },
    upgrade(req, socket, head, door) {
      if (door.kind !== "apps") return false;
      const refuse = (error: unknown) => {
        const details = toProblem(error);
        refuseUpgrade(socket, details.status ?? 502, JSON.stringify(details), "application/problem+json");
      };
      void (async () => {
        const path = parsed(req);
        if (!hostFits(req, door, path.project_id))
          throw problem("request.wrong-host", 421, "These pages do not go by that name");
        const found = await target(req, door, path, true);
        if (!found) throw problem("auth.required", 401, "Open the page first, or send an API key");
        const entry: Live = { project_id: path.project_id, account_id: found.account, socket };
        live.add(entry);
        const recheck = setInterval(() => {
          deps.route(entry.account_id, entry.project_id).catch(() => socket.destroy());
        }, RECHECK_MS);
        socket.once("close", () => {
          clearInterval(recheck);
          live.delete(entry);
        });
        relayUpgrade(req, socket, head, found.relayed, refuse);
      })().catch(refuse);
      return true;
    },
    closeFor(projectId, accountId) {
      for (const entry of live) {
        if (entry.project_id !== projectId) continue;
        if (accountId === undefined || entry.account_id === accountId) entry.socket.destroy();
      }
    },
  };
}

function back(url: string): PageLink[] {
  return [{ href: `/projects/${leadingId(url) ?? ""}`, label: "Open the project" }];
}
