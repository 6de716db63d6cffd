/** `user@host[:port]`, as an admin types it. */
import { CodedError, EX } from "../../core/errors.ts";
import { urlHost } from "../../core/url-host.ts";

export interface Target {
  user: string;
  /** Without brackets. */
  host: string;
  port: number;
}

/** Nothing that ssh could take for an option or a shell for its own: the parts go into an argument vector. */
const USER = /^[A-Za-z_][A-Za-z0-9._-]{0,63}$/;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}$/;

/** Errors: `machine.bad-target`. */
export function parseTarget(text: string): Target {
  const trimmed = text.trim();
  const match = /^([^@\s]+)@(?:\[([^\]\s]+)\]|([^:@\s]+))(?::(\d{1,5}))?$/.exec(trimmed);
  const [, user = "", bracketed, plain = "", portText] = match ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? 22 : Number(portText);
  const wrong = !match
    ? "It is not of the form user@host or user@host:port; an IPv6 address goes in brackets."
    : !USER.test(user)
      ? `“${user}” is no user name.`
      : !(bracketed === undefined ? HOST.test(host) : IPV6.test(host))
        ? `“${host}” is no host name or address.`
        : port < 1 || port > 65_535
          ? `${port} is no port.`
          : undefined;
  if (wrong === undefined) return { user, host, port };
  throw new CodedError({
    code: "machine.bad-target",
    title: "That names no machine to sign in to",
    why: wrong,
    fix: "Type who to sign in as and where: admin@192.168.1.20, or admin@box.lab.example:2222.",
    status: 422,
    exit: EX.USAGE,
  });
}

export const targetText = ({ user, host, port }: Target): string => `${user}@${urlHost(host)}:${port}`;
