/**
 * Project pages: route → authorise → forward. They are served on the apps doors alone, an origin other than the UI's
 * (and one for each project, see places.ts); on the UI's door a navigation to one is led there with a ticket, and
 * anything else is misdirected (421).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type AppPath, isPlainPath, leadingId, parseAppPath } from "../../contract/app-path.ts";
import { type AppPlace, type AppTarget, appPrefix } from "../../contract/apps.ts";
import { type PageLink, renderProblem, wantsPage } from "../../contract/problem-page.ts";
import { CodedError, type ProblemDetails, toProblem } from "../../core/errors.ts";
import {
  createAgent,
  type RelayTarget,
  refuseUpgrade,
  relayRequest,
  relayUpgrade,
} from "../../core/relay/relay.ts";
import type { Lease } from "../apps/leases.ts";
import { LINK_PREFIX } from "../apps/links.ts";
import type { DoorInfo } from "../server/doors.ts";
import { type AppSession, mayReach, TICKET_PARAM } from "./app-session.ts";
import type { ProjectRoute } from "./directory.ts";
import {
  createEntry,
  type EntryDeps,
  isNavigation,
  nameOf,
  OPEN_PATH,
  PROBE_PATH,
  redirect,
} from "./entry.ts";
import type { GrantCache } from "./grant-cache.ts";
import { headersFromHost, headersToHost } from "./hygiene.ts";
import { judgeAppRequest } from "./judge-app.ts";
import { createLiveWays } from "./live-ways.ts";
import { type Place, placeOf } from "./places.ts";

export interface GatewayDeps extends EntryDeps {
  grants: GrantCache;
  /** May this account, or the maker of this link, use this project's pages, and where are they? Throws what to show. */
  route(sub: string, projectId: string, target?: AppTarget): Promise<ProjectRoute>;
}

export interface Gateway {
  /** true when the URL is about a project's pages, and was answered. */
  request(req: IncomingMessage, res: ServerResponse, door: DoorInfo): boolean;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, door: DoorInfo): boolean;
  /** Rights may have changed, in one project or anywhere: ends what is open without one. */
  recheck(projectId?: string): Promise<void>;
}

/** What a request is about: a page below its prefix, or at the root of an origin. */
interface Asked {
  path: AppPath;
  place: Place;
  at: AppPlace;
  session: AppSession | undefined;
  lease: Lease | undefined;
}

function problem(code: string, status: number, title: string, fix?: string): CodedError {
  return new CodedError({ code, title, status, ...(fix ? { fix } : {}) });
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { ports, sessions, leases } = deps;
  const entry = createEntry(deps);
  const agent = createAgent();
  const live = createLiveWays(deps.route);

  /** Where the UI is, seen from whoever asked. */
  function uiOrigin(req: IncomingMessage, door: DoorInfo): string {
    return door.secure ? `https://${nameOf(req)}:${ports.https}` : `http://localhost:${ports.loopbackUi}`;
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

  /** The lease that the session has for this place; null where the place is not the session's. */
  async function leaseFor(session: AppSession, place: Place): Promise<Lease | undefined | null> {
    const { at } = session;
    if (at.kind === "own") return place.kind === "own" ? undefined : null;
    if (at.kind === "shared") return place.kind === "shared" ? undefined : null;
    const lease = await leases.find(at.lease_id);
    const holds = session.sub.startsWith(LINK_PREFIX)
      ? lease?.holder.startsWith("visitor:")
      : lease?.holder === session.sub;
    return lease && holds && place.kind === "shard" && lease.shard === place.shard ? lease : null;
  }

  function placeFor(req: IncomingMessage, door: DoorInfo): Place {
    const place = placeOf(req.headers.host, door, deps.wildcard());
    if (place) return place;
    throw problem("request.wrong-host", 421, "These pages do not go by that name");
  }

  async function asked(req: IncomingMessage, door: DoorInfo): Promise<Asked> {
    const url = req.url ?? "/";
    const place = placeFor(req, door);
    const path = parseAppPath(url);
    const slot = place.kind === "shard" ? String(place.shard) : "";
    const below = path ? sessions.read(req.headers.cookie, path.project_id, door.secure) : undefined;
    const root =
      path || leadingId(url) !== undefined || (place.kind !== "own" && place.kind !== "shard")
        ? undefined
        : sessions.readRoot(req.headers.cookie, slot, door.secure);
    const at: AppPlace = root ? "root" : place.kind === "shared" ? "shared" : "prefix";
    const meant = path ?? (root && url.startsWith("/") && isPlainPath(url) ? rootPath(root, url) : undefined);
    if (!meant) {
      throw problem(
        "app.no-such-page",
        404,
        "There is no such page",
        "A project's web server is at /<project_id>/proxy/<port>/ with a port from 1 to 65535, an app at /<project_id>/apps/<app>/.",
      );
    }
    if (place.kind === "own" && place.project_id !== meant.project_id) {
      throw problem("request.wrong-host", 421, "This is another project's address");
    }
    const session = root?.session ?? below;
    const lease = session ? await leaseFor(session, place) : undefined;
    const fits = session !== undefined && lease !== null && session.project_id === meant.project_id;
    return {
      path: meant,
      place,
      at,
      session: fits ? session : undefined,
      lease: fits ? (lease ?? undefined) : undefined,
    };
  }

  function rootPath(root: { session: AppSession; app: string }, url: string): AppPath {
    const { project_id } = root.session;
    return {
      project_id,
      kind: "apps",
      target: { app: root.app },
      prefix: appPrefix(project_id, root.app),
      rest: url,
    };
  }

  /** Takes the ticket out of the URL and puts the cookie in its place. true: answered. */
  async function takeTicket(
    req: IncomingMessage,
    res: ServerResponse,
    door: DoorInfo,
    { path, place }: Asked,
  ): Promise<boolean> {
    const url = req.url ?? "/";
    const match = new RegExp(`([?&])${TICKET_PARAM}=([A-Za-z0-9_-]{1,64})(&|$)`).exec(url);
    if (!match) return false;
    const clean = url.replace(match[0], match[3] === "&" ? (match[1] ?? "") : "");
    // A prefetch must not spend it, and a script must not use it.
    if (!isNavigation(req) || req.headers["sec-purpose"] !== undefined) {
      throw problem("app.ticket-misused", 403, "A ticket is for opening a page");
    }
    const session = sessions.redeem(match[2] ?? "", path.project_id);
    if (session === undefined || (await leaseFor(session, place)) === null) {
      redirect(res, `${uiOrigin(req, door)}${clean}`);
      return true;
    }
    // Cookies ignore ports: where the session's is seen here too, it must be the same person's.
    const caller = await deps.authenticate(req, door.secure);
    if (caller && caller.account_id !== session.sub && !session.sub.startsWith(LINK_PREFIX)) {
      throw problem("app.ticket-of-another", 403, "This link was made for somebody else");
    }
    redirect(res, clean, [sessions.setCookie(session, door.secure)]);
    return true;
  }

  async function target(
    req: IncomingMessage,
    door: DoorInfo,
    what: Asked,
    upgrade: boolean,
  ): Promise<{ sub: string; relayed: RelayTarget } | undefined> {
    const { path, place, at, session, lease } = what;
    const bearer = /^Bearer lpk_/i.test(req.headers.authorization ?? "") && req.headers.cookie === undefined;
    const sub = bearer ? (await deps.authenticate(req, door.secure))?.account_id : session?.sub;
    if (sub === undefined) return undefined;
    if (!bearer) judgeAppRequest(req.headers, req.method, door.scheme, upgrade);
    if (session && !bearer && !mayReach(session, path.target)) {
      throw problem("link.other-page", 404, "This link opens one app, and nothing else of the project");
    }
    if (lease) leases.touch(lease);
    const route = await deps.route(sub, path.project_id, path.target);
    const grant = await deps.grants.proxy({
      sub,
      project_id: path.project_id,
      target: path.target,
      host_id: route.host_id,
    });
    const root = at === "root";
    const shard = place.kind === "shard" ? String(place.shard) : "";
    const relayed: RelayTarget = {
      agent,
      host: "127.0.0.1",
      port: route.port,
      path: path.prefix + path.rest,
      headersOut: (headers) =>
        headersToHost(headers, {
          grant,
          at,
          project_id: path.project_id,
          address: req.socket.remoteAddress ?? "",
          host: req.headers.host ?? "",
          scheme: door.scheme,
          dropAuthorization: bearer,
        }),
      headersBack: (headers) =>
        headersFromHost(headers, {
          project_id: path.project_id,
          root: root && place.kind === "shard" ? "shard" : root ? "own" : undefined,
          rootCookie:
            session && "app" in path.target
              ? sessions.setRoot({ session, app: path.target.app }, shard, door.secure)
              : undefined,
        }),
    };
    return { sub, relayed };
  }

  async function onApps(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
    const url = req.url ?? "/";
    const place = placeFor(req, door);
    if (place.kind === "shard" && url.split("?")[0] === PROBE_PATH) return await entry.probe(req, res, door);
    if ((place.kind === "shared" || place.kind === "bare") && entry.isLink(url))
      return await entry.link(req, res, door);
    const id = parseAppPath(url)?.project_id;
    // `localhost` for a person who typed it: on to the project's own name.
    if (place.kind === "bare" && id !== undefined && isNavigation(req))
      return redirect(res, `http://${id}.localhost:${ports.loopbackApps}${url}`);
    if (place.kind === "bare") throw problem("request.wrong-host", 421, "These pages do not go by that name");
    const what = await asked(req, door);
    if (await takeTicket(req, res, door, what)) return;
    const { path } = what;
    if (path.rest === "") return redirect(res, `${path.prefix}/`);
    const found = await target(req, door, what, false);
    if (!found) {
      if (isNavigation(req) && what.at !== "root") return redirect(res, `${uiOrigin(req, door)}${url}`);
      const other = sessions.read(req.headers.cookie, path.project_id, door.secure) !== undefined;
      throw other
        ? problem(
            "app.other-port",
            421,
            "This project's pages are at another address",
            "Open the page again.",
          )
        : problem("auth.required", 401, "Open the page in the browser first, or send an API key");
    }
    const ended = live.hold({
      sub: found.sub,
      project_id: path.project_id,
      target: what.path.target,
      end: () => res.destroy(),
      touch: () => what.lease && leases.touch(what.lease),
    });
    res.once("close", ended);
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
        const failed = (error: unknown) => fail(req, res, toProblem(error), entry.backTo(url));
        if (url.split("?")[0] === OPEN_PATH) {
          entry.openPage(req, res, door).catch(failed);
          return true;
        }
        const path = parseAppPath(url);
        if (!path) {
          if (!/^\/[0-9a-f-]{36}\/(proxy|port|apps)\//.test(url)) return false;
          failed(problem("app.no-such-page", 404, "There is no such page"));
          return true;
        }
        entry.fromUi(req, res, door, path).catch(failed);
        return true;
      }
      onApps(req, res, door).catch((error: unknown) =>
        fail(req, res, toProblem(error), leadingId(url) ? entry.backTo(url, uiOrigin(req, door)) : []),
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
        const what = await asked(req, door);
        const found = await target(req, door, what, true);
        if (!found) throw problem("auth.required", 401, "Open the page first, or send an API key");
        const ended = live.hold({
          sub: found.sub,
          project_id: what.path.project_id,
          target: what.path.target,
          end: () => socket.destroy(),
          touch: () => what.lease && leases.touch(what.lease),
        });
        socket.once("close", ended);
        relayUpgrade(req, socket, head, found.relayed, refuse);
      })().catch(refuse);
      return true;
    },
    recheck: live.recheck,
  };
}
