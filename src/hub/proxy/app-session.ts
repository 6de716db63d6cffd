/**
 * From the UI's origin to a project's: a single-use ticket in a redirect, exchanged for a cookie of that project alone.
 * The cookie carries no right by itself: whose it is is looked up again within a minute.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { type AppTarget, appNameSchema, appTargetSchema } from "../../contract/apps.ts";
import { randomToken } from "../../core/ids.ts";
import { shortId } from "../../core/paths.ts";

export const TICKET_PARAM = "cocalc-ticket";
const TICKET_MS = 60_000;
const COOKIE_MS = 12 * 3_600_000;

const sessionSchema = z.object({
  /** An account, or `link:<link_id>`. */
  sub: z.string(),
  project_id: z.string(),
  /** Of a link: nothing but this. */
  only: appTargetSchema.optional(),
  /**
   * Where it may be used. Cookies ignore ports: without it the cookie of a project's own origin would open the same
   * pages on the shared one, where every other project's pages could read them.
   */
  at: z.discriminatedUnion("kind", [
    /** A host name of the project's own. */
    z.object({ kind: z.literal("own") }),
    z.object({ kind: z.literal("shard"), lease_id: z.string() }),
    z.object({ kind: z.literal("shared") }),
  ]),
});
export type AppSession = z.infer<typeof sessionSchema>;

/** What is shown at the root of an origin. */
const rootSchema = z.object({ session: sessionSchema, app: appNameSchema });
export type RootSession = z.infer<typeof rootSchema>;

export interface AppSessions {
  issueTicket(session: AppSession): string;
  /** Of a ticket for this project; a second use finds nothing. */
  redeem(ticket: string, project_id: string): AppSession | undefined;
  setCookie(session: AppSession, secure: boolean): string;
  /** Of the request's cookie for this project. */
  read(cookieHeader: string | undefined, project_id: string, secure: boolean): AppSession | undefined;
  /** `slot`: the shard, since one cookie jar serves all ports; empty on a host name of the project's own. */
  setRoot(root: RootSession, slot: string, secure: boolean): string;
  readRoot(cookieHeader: string | undefined, slot: string, secure: boolean): RootSession | undefined;
}

export function mayReach(session: AppSession, target: AppTarget): boolean {
  return session.only === undefined || JSON.stringify(session.only) === JSON.stringify(target);
}

export function createAppSessions(secret: Uint8Array, now: () => number = Date.now): AppSessions {
  const tickets = new Map<string, { session: AppSession; until: number }>();
  const sign = (body: string) => createHmac("sha256", secret).update(body).digest("base64url");
  const prefixed = (name: string, secure: boolean) => `${secure ? "__Secure-" : ""}${name}`;
  const appName = (project_id: string) => `cocalc_app_${shortId(project_id)}`;
  const rootName = (slot: string) => `cocalc_root_${slot}`;

  function seal(name: string, value: unknown, path: string, secure: boolean): string {
    const body = Buffer.from(JSON.stringify({ value, name, until: now() + COOKIE_MS })).toString("base64url");
    const flags = `Path=${path}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
    return `${prefixed(name, secure)}=${body}.${sign(body)}; ${flags}`;
  }

  /** The first that is ours: a page of another port may have tossed others in front of it. */
  function open(header: string | undefined, name: string, secure: boolean): unknown {
    for (const part of (header ?? "").split(";")) {
      const at = part.indexOf("=");
      if (part.slice(0, at).trim() !== prefixed(name, secure)) continue;
      const [body = "", mac = ""] = part
        .slice(at + 1)
        .trim()
        .split(".");
      const right = Buffer.from(sign(body));
      const given = Buffer.from(mac);
      if (right.length !== given.length || !timingSafeEqual(right, given)) continue;
      const sealed = JSON.parse(Buffer.from(body, "base64url").toString()) as {
        value: unknown;
        name: string;
        until: number;
      };
      if (sealed.name === name && sealed.until >= now()) return sealed.value;
    }
    return undefined;
  }

  return {
    issueTicket(session) {
      for (const [key, ticket] of tickets) if (ticket.until < now()) tickets.delete(key);
      const ticket = randomToken(24);
      tickets.set(ticket, { session, until: now() + TICKET_MS });
      return ticket;
    },
    redeem(ticket, project_id) {
      const found = tickets.get(ticket);
      tickets.delete(ticket);
      return found && found.until >= now() && found.session.project_id === project_id
        ? found.session
        : undefined;
    },
    setCookie: (session, secure) =>
      seal(appName(session.project_id), session, `/${session.project_id}/`, secure),
    read(cookieHeader, project_id, secure) {
      const parsed = sessionSchema.safeParse(open(cookieHeader, appName(project_id), secure));
      return parsed.success && parsed.data.project_id === project_id ? parsed.data : undefined;
    },
    setRoot: (root, slot, secure) => seal(rootName(slot), root, "/", secure),
    readRoot(cookieHeader, slot, secure) {
      const parsed = rootSchema.safeParse(open(cookieHeader, rootName(slot), secure));
      return parsed.success ? parsed.data : undefined;
    },
  };
}
