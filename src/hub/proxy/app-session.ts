/**
 * From the UI's origin to a project's: a single-use ticket in a redirect, exchanged for a cookie of that project alone.
 * The cookie carries no right by itself: whose it is is looked up again within a minute.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { randomToken } from "../../core/ids.ts";
import { shortId } from "../../core/paths.ts";

export const TICKET_PARAM = "cocalc-ticket";
const TICKET_MS = 60_000;
const COOKIE_MS = 12 * 3_600_000;

export interface AppSessions {
  issueTicket(account_id: string, project_id: string): string;
  /** Account of a ticket for this project; a second use finds nothing. */
  redeem(ticket: string, project_id: string): string | undefined;
  cookieName(project_id: string, secure: boolean): string;
  setCookie(account_id: string, project_id: string, secure: boolean): string;
  /** Account of the request's cookie for this project, or undefined. */
  read(cookieHeader: string | undefined, project_id: string, secure: boolean): string | undefined;
}

export function createAppSessions(secret: Uint8Array, now: () => number = Date.now): AppSessions {
  const tickets = new Map<string, { account_id: string; project_id: string; until: number }>();
  const sign = (body: string) => createHmac("sha256", secret).update(body).digest("base64url");
  const cookieName = (project_id: string, secure: boolean) =>
    `${secure ? "__Secure-" : ""}cocalc_app_${shortId(project_id)}`;

  return {
    cookieName,
    issueTicket(account_id, project_id) {
      for (const [key, ticket] of tickets) if (ticket.until < now()) tickets.delete(key);
      const ticket = randomToken(24);
      tickets.set(ticket, { account_id, project_id, until: now() + TICKET_MS });
      return ticket;
    },
    redeem(ticket, project_id) {
      const found = tickets.get(ticket);
      tickets.delete(ticket);
      return found && found.until >= now() && found.project_id === project_id ? found.account_id : undefined;
    },
    setCookie(account_id, project_id, secure) {
      const body = Buffer.from(JSON.stringify([account_id, project_id, now() + COOKIE_MS])).toString(
        "base64url",
      );
      const value = `${body}.${sign(body)}`;
      return `${cookieName(project_id, secure)}=${value}; Path=/${project_id}/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
    },
    read(cookieHeader, project_id, secure) {
      const name = cookieName(project_id, secure);
      for (const part of (cookieHeader ?? "").split(";")) {
        const at = part.indexOf("=");
        if (part.slice(0, at).trim() !== name) continue;
        const [body = "", mac = ""] = part
          .slice(at + 1)
          .trim()
          .split(".");
        const right = Buffer.from(sign(body));
        const given = Buffer.from(mac);
        if (right.length !== given.length || !timingSafeEqual(right, given)) continue;
        const [account_id, project, until] = JSON.parse(Buffer.from(body, "base64url").toString()) as [
          string,
          string,
          number,
        ];
        if (project === project_id && until >= now()) return account_id;
      }
      return undefined;
    },
  };
}
