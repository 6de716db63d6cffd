/** Managed apps at the host: started when a person opens the URL, with a page that shows how far it is. */
import { randomBytes } from "node:crypto";
import type { Agent, IncomingMessage, ServerResponse } from "node:http";
import type { AppPath } from "../../contract/app-path.ts";
import {
  APP_STATUS_PATH,
  type AppPlace,
  type AppStatus,
  AT_HEADER,
  WANTS_ROOT_HEADER,
} from "../../contract/apps.ts";
import { escapeHtml, wantsPage } from "../../contract/problem-page.ts";
import { CodedError } from "../../core/errors.ts";
import type { RelayTarget } from "../../core/relay/relay.ts";
import { appTarget } from "../proxy/app-target.ts";
import html from "./progress.html" with { type: "text" };

/** Bun's types say that every HTML file is a bundle; `with` makes it the text. */
const page = html as unknown as string;

/** Where a running app listens is believed this long. */
const BELIEVED_MS = 1_000;
const MAX_BELIEVED = 5_000;

/** What of an agent is needed here; its answers are parsed. */
export interface AppAgents {
  openApp(projectId: string, request: { app: string; start: boolean; again?: boolean }): Promise<AppStatus>;
  appLog(
    projectId: string,
    request: { app: string; from: number },
  ): Promise<{ from: number; next: number; text: string; status: AppStatus }>;
}

export interface ManagedApps {
  /** Where the request goes, or undefined when it was answered here. */
  request(req: IncomingMessage, res: ServerResponse, path: AppPath): Promise<RelayTarget | undefined>;
  /** Throws `app.not-running` and its kind: a socket starts nothing. */
  upgrade(req: IncomingMessage, path: AppPath): Promise<RelayTarget>;
  /** It did not answer where it was believed to be. */
  forget(path: AppPath): void;
}

export function createManagedApps(deps: {
  agents: AppAgents;
  /** Connections into a port of a project. */
  agentFor(projectId: string, port: number): Agent;
}): ManagedApps {
  const { agents } = deps;
  const believed = new Map<string, { status: AppStatus; until: number }>();

  function appOf(path: AppPath): string {
    if ("app" in path.target) return path.target.app;
    throw new CodedError({ code: "app.no-such-page", title: "There is no such page", status: 404 });
  }

  async function statusOf(path: AppPath, start: boolean): Promise<AppStatus> {
    const key = path.prefix;
    const known = believed.get(key);
    if (known && known.until > Date.now()) return known.status;
    believed.delete(key);
    const status = await agents.openApp(path.project_id, { app: appOf(path), start });
    if (status.state === "running") {
      if (believed.size > MAX_BELIEVED) believed.clear();
      believed.set(key, { status, until: Date.now() + BELIEVED_MS });
    }
    return status;
  }

  function targetOf(path: AppPath, status: AppStatus): RelayTarget {
    const { port, base } = status;
    if (status.state === "running" && port !== null)
      return appTarget({ ...path, port, base }, deps.agentFor(path.project_id, port));
    throw new CodedError(
      status.problem ?? {
        code: status.state === "starting" ? "app.starting" : "app.not-running",
        title: `${status.title} is ${status.state}`,
        fix: "Open its page in the browser: that starts it.",
        status: 503,
      },
    );
  }

  async function tellStatus(req: IncomingMessage, res: ServerResponse, path: AppPath): Promise<void> {
    const app = appOf(path);
    if (req.method !== "GET" && req.method !== "POST") {
      throw new CodedError({ code: "request.method", title: "GET or POST", status: 405 });
    }
    if (req.method === "POST") await agents.openApp(path.project_id, { app, start: true, again: true });
    const from = Number(/[?&]from=(\d{1,12})(&|$)/.exec(path.rest)?.[1] ?? 0);
    const { status, ...log } = await agents.appLog(path.project_id, { app, from });
    res.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    res.end(JSON.stringify({ status, log }));
  }

  return {
    async request(req, res, path) {
      const at = placeOf(req);
      if (path.rest.split("?")[0] === APP_STATUS_PATH) {
        await tellStatus(req, res, path);
        return undefined;
      }
      const person = wantsPage(req.headers);
      // A page left open somewhere asks for ever: what was stopped for want of use must stay so. A script says nothing.
      const status = await statusOf(path, person || req.headers["sec-fetch-mode"] === undefined);
      if (status.base === "root" && at === "shared") throw needsRoot(status.title);
      if (status.state !== "running" && person) {
        sendProgress(req, res, status, (at === "root" ? "" : path.prefix) + APP_STATUS_PATH);
        return undefined;
      }
      const target = targetOf(path, status);
      const elsewhere = status.base === "root" ? at !== "root" : at === "root";
      if (!elsewhere) return target;
      res.writeHead(303, {
        location: status.base === "root" ? path.rest || "/" : `${path.prefix}/`,
        "cache-control": "no-store",
        ...(status.base === "root" ? { [WANTS_ROOT_HEADER]: "1" } : {}),
      });
      res.end();
      return undefined;
    },
    async upgrade(_req, path) {
      return targetOf(path, await statusOf(path, false));
    },
    forget: (path) => void believed.delete(path.prefix),
  };
}

function placeOf(req: IncomingMessage): AppPlace {
  const at = req.headers[AT_HEADER];
  return at === "root" || at === "shared" ? at : "prefix";
}

function needsRoot(title: string): CodedError {
  return new CodedError({
    code: "app.needs-root",
    title: `${title} works only at the root of an address of its own`,
    why: "All projects share one address here, because the hub's other ports cannot be reached from this browser.",
    fix: "Open the ports base+10 … base+73 of the hub, or use it from the hub's own machine.",
    status: 409,
  });
}

function sendProgress(req: IncomingMessage, res: ServerResponse, status: AppStatus, statusUrl: string): void {
  const nonce = randomBytes(16).toString("base64");
  const html = page
    .replaceAll("{{title}}", () => escapeHtml(status.title))
    .replace("{{nonce}}", nonce)
    .replace("{{status_url}}", statusUrl);
  res.writeHead(503, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "x-launchpad-page": "app-progress",
    "content-security-policy": `default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; connect-src 'self'; frame-ancestors 'none'`,
  });
  res.end(req.method === "HEAD" ? undefined : html);
}
