/**
 * How a browser gets to a project's own origin. Before its first page there, a probe from the hub's side shows that
 * the address can be reached, and its answer clears what another project left at that port: storage, caches, and a
 * service worker, which would else stand between the browser and the new project. A worker sees no request of a page of
 * another origin, so it cannot swallow the probe as it could the page itself. A cookie remembers that it was done.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type AppPath, leadingId, parseAppPath } from "../../contract/app-path.ts";
import type { AppTarget } from "../../contract/apps.ts";
import { escapeHtml, wantsPage } from "../../contract/problem-page.ts";
import { CodedError } from "../../core/errors.ts";
import type { FixedWindow } from "../../core/fixed-window.ts";
import { randomToken } from "../../core/ids.ts";
import { shortId } from "../../core/paths.ts";
import { type Ports, SHARDS } from "../../core/ports.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Lease, Leases } from "../apps/leases.ts";
import { LINK_PREFIX, type Links } from "../apps/links.ts";
import type { DoorInfo } from "../server/doors.ts";
import { type AppSession, type AppSessions, TICKET_PARAM } from "./app-session.ts";
import html from "./entry.html" with { type: "text" };
import { originOf, type Wildcard } from "./places.ts";

/** Bun's types say that every HTML file is a bundle; `with` makes it the text. */
const page = html as unknown as string;

export const PROBE_PATH = "/cocalc-probe";
export const OPEN_PATH = "/open";
const LINK_URL = /^\/link\/([A-Za-z0-9_-]{20,64})(\?.*)?$/;
/** Browsers keep no cookie for longer. */
const LEASE_COOKIE_SECONDS = 400 * 86_400;
const VISITOR_COOKIE = "cocalc_visitor";

export interface EntryDeps {
  ports: Ports;
  sessions: AppSessions;
  leases: Leases;
  links: Pick<Links, "enter">;
  /** Tries at links, by address. */
  guesses: FixedWindow;
  wildcard(): Wildcard | undefined;
  sharedAccepted(accountId: string, projectId: string): Promise<boolean>;
  route(sub: string, projectId: string, target?: AppTarget): Promise<unknown>;
  authenticate(req: IncomingMessage, secure: boolean): Promise<Caller | null>;
}

export const nameOf = (req: IncomingMessage) => (req.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
export const isNavigation = (req: IncomingMessage) => req.method === "GET" && wantsPage(req.headers);

export function redirect(res: ServerResponse, location: string, cookies: string[] = []): void {
  res.writeHead(303, {
    location,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    ...(cookies.length > 0 ? { "set-cookie": cookies } : {}),
  });
  res.end();
}

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const part of (req.headers.cookie ?? "").split(";")) {
    const at = part.indexOf("=");
    if (part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

export function createEntry(deps: EntryDeps) {
  const { ports, sessions, leases } = deps;
  const leaseCookie = (projectId: string) => `__Secure-cocalc_lease_${shortId(projectId)}`;

  function withTicket(origin: string, path: AppPath, session: AppSession): string {
    const clean = path.rest === "" ? `${path.prefix}/` : path.prefix + path.rest;
    return `${origin}${clean}${clean.includes("?") ? "&" : "?"}${TICKET_PARAM}=${sessions.issueTicket(session)}`;
  }

  function sendPage(
    res: ServerResponse,
    lease: Lease,
    name: string,
    where: { next: string; share: string | null; again: string },
    cookies: string[] = [],
  ): void {
    const origin = originOf({ kind: "shard", shard: lease.shard }, { secure: true, name }, ports, undefined);
    const nonce = randomBytes(16).toString("base64");
    const facts = { ...where, probe: `${origin}${PROBE_PATH}?lease=${lease.lease_id}` };
    res.writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-launchpad-page": "app-entry",
      "cross-origin-opener-policy": "same-origin",
      "content-security-policy": `default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; connect-src 'self' ${origin}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
      ...(cookies.length > 0 ? { "set-cookie": cookies } : {}),
    });
    res.end(
      page
        .replaceAll("{{nonce}}", nonce)
        .replace("{{span}}", `${ports.firstShard}–${ports.firstShard + SHARDS - 1}`)
        .replace("{{facts}}", () => escapeHtml(JSON.stringify(facts))),
    );
  }

  /** Where this account's pages of the project are, and the way there; `probed`: the browser has been there. */
  async function wayOf(req: IncomingMessage, door: DoorInfo, caller: Caller, path: AppPath) {
    const { project_id } = path;
    const sub = caller.account_id;
    const from = { secure: door.secure, name: nameOf(req) };
    const wildcard = deps.wildcard();
    if (!door.secure || wildcard) {
      const origin = originOf({ kind: "own", project_id }, from, ports, wildcard);
      return { url: withTicket(origin, path, { sub, project_id, at: { kind: "own" } }) };
    }
    if (await deps.sharedAccepted(sub, project_id)) {
      const origin = originOf({ kind: "shared" }, from, ports, wildcard);
      return { url: withTicket(origin, path, { sub, project_id, at: { kind: "shared" } }) };
    }
    const lease = await leases.take(sub, project_id);
    const origin = originOf({ kind: "shard", shard: lease.shard }, from, ports, wildcard);
    const session: AppSession = { sub, project_id, at: { kind: "shard", lease_id: lease.lease_id } };
    return { url: withTicket(origin, path, session), lease };
  }

  async function signedIn(req: IncomingMessage, res: ServerResponse, door: DoorInfo, path: AppPath) {
    const caller = await deps.authenticate(req, door.secure);
    if (!caller) {
      const to = path.prefix + path.rest;
      redirect(res, `/sign-in?next=${encodeURIComponent(to)}`);
      return undefined;
    }
    await deps.route(caller.account_id, path.project_id, path.target);
    return caller;
  }

  return {
    /** On the UI's door: to the project's own origin, with a ticket. */
    async fromUi(req: IncomingMessage, res: ServerResponse, door: DoorInfo, path: AppPath): Promise<void> {
      if (!isNavigation(req)) {
        throw new CodedError({
          code: "app.wrong-origin",
          title: "Project pages are on another origin",
          fix: "Open the page itself first.",
          status: 421,
        });
      }
      const caller = await signedIn(req, res, door, path);
      if (!caller) return;
      const way = await wayOf(req, door, caller, path);
      const been = !way.lease || cookieOf(req, leaseCookie(path.project_id)) === way.lease.lease_id;
      redirect(res, been ? way.url : `${OPEN_PATH}?to=${encodeURIComponent(path.prefix + path.rest)}`);
    },

    /** `/open?to=…` on the UI's door: the page that probes, and asks where the address cannot be reached. */
    async openPage(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
      const to = new URL(req.url ?? "/", "http://hub").searchParams.get("to") ?? "";
      const path = parseAppPath(to);
      if (!path || !isNavigation(req)) {
        throw new CodedError({ code: "app.no-such-page", title: "There is no such page", status: 404 });
      }
      const caller = await signedIn(req, res, door, path);
      if (!caller) return;
      const way = await wayOf(req, door, caller, path);
      if (!way.lease) {
        redirect(res, way.url);
        return;
      }
      const share = `/api/projects/${path.project_id}/shared-origin`;
      sendPage(res, way.lease, nameOf(req), { next: way.url, share, again: to });
    },

    /** On a shard: reached, and what was here before is cleared. Only who was given the lease knows its id. */
    async probe(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
      const id = /[?&]lease=([A-Za-z0-9_-]{20,64})(&|$)/.exec(req.url ?? "")?.[1] ?? "";
      const lease = await leases.find(id);
      const origins = [ports.https, ports.apps].map((port) => `https://${nameOf(req)}:${port}`);
      const { origin } = req.headers;
      if (!lease || lease.shard !== door.shard || origin === undefined || !origins.includes(origin)) {
        throw new CodedError({
          code: "app.probe-refused",
          title: "That is for the hub's own pages",
          status: 403,
        });
      }
      const path = lease.holder.startsWith("visitor:") ? "/link/" : `/${lease.project_id}/`;
      res.writeHead(200, {
        "content-type": "text/plain",
        "cache-control": "no-store",
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        // Not "cookies": they are the whole name's, the session at the hub among them.
        "clear-site-data": '"cache", "storage"',
        "set-cookie": `${leaseCookie(lease.project_id)}=${lease.lease_id}; Path=${path}; Max-Age=${LEASE_COOKIE_SECONDS}; HttpOnly; Secure; SameSite=Lax`,
      });
      res.end("reached\n");
    },

    isLink: (url: string) => LINK_URL.test(url),

    /** `/link/<secret>` on an apps door: anyone who has it may use this one app, as a visitor. */
    async link(req: IncomingMessage, res: ServerResponse, door: DoorInfo): Promise<void> {
      if (!isNavigation(req) || req.headers["sec-purpose"] !== undefined) {
        throw new CodedError({ code: "link.for-a-person", title: "A link is for opening", status: 403 });
      }
      deps.guesses.take(req.socket.remoteAddress ?? "");
      const token = LINK_URL.exec(req.url ?? "")?.[1] ?? "";
      const name = `${door.secure ? "__Secure-" : ""}${VISITOR_COOKIE}`;
      const known = cookieOf(req, name);
      const visitor = known !== undefined && /^[A-Za-z0-9_-]{22}$/.test(known) ? known : randomToken(16);
      const address = req.socket.remoteAddress ?? "";
      const { link_id, path } = await deps.links.enter(token, { address, first: known !== visitor });
      const { project_id, target } = path;
      const sub = LINK_PREFIX + link_id;
      await deps.route(sub, project_id);
      const cookie = `${name}=${visitor}; Path=/link/; Max-Age=${LEASE_COOKIE_SECONDS}; HttpOnly; SameSite=Lax${door.secure ? "; Secure" : ""}`;
      const from = { secure: door.secure, name: nameOf(req) };
      const wildcard = deps.wildcard();
      if (!door.secure || wildcard) {
        const origin = originOf({ kind: "own", project_id }, from, ports, wildcard);
        const session: AppSession = { sub, project_id, only: target, at: { kind: "own" } };
        redirect(res, withTicket(origin, path, session), [cookie]);
        return;
      }
      const lease = await leases.take(`visitor:${visitor}`, project_id);
      const origin = originOf({ kind: "shard", shard: lease.shard }, from, ports, wildcard);
      const at = { kind: "shard", lease_id: lease.lease_id } as const;
      const next = withTicket(origin, path, { sub, project_id, only: target, at });
      if (cookieOf(req, leaseCookie(project_id)) === lease.lease_id) redirect(res, next, [cookie]);
      else sendPage(res, lease, nameOf(req), { next, share: null, again: "" }, [cookie]);
    },

    /** Links to the project in the UI, for a page that says what is the matter. */
    backTo: (url: string, uiOrigin = "") => [
      { href: `${uiOrigin}/projects/${leadingId(url) ?? ""}`, label: "Open the project" },
    ],
  };
}
