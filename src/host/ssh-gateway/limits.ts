/** What is let in before it proved itself. Pure, so that a test can hold a clock and an address to it. */
import { FixedWindow } from "../../core/fixed-window.ts";

/** From the first byte to a login; a client that speaks nothing holds a place no longer than this. */
export const LOGIN_GRACE_MS = 20_000;
/** Refused keys of one connection; people's agents hold several. */
export const MAX_TRIES = 20;
/** A refusal takes this long, whatever its cause, so that its time tells nothing about what exists. */
export const REFUSE_AFTER_MS = 150;
export const MAX_CONNECTIONS = 1_000;
export const MAX_PER_ADDRESS = 100;
/** Beyond this many that have not logged in the oldest goes: who has a key needs a place for a second only. */
export const MAX_STRANGERS = 200;
const REFUSALS = { limit: 120, windowMs: 60_000 };
/** Channels of one connection. */
export const MAX_CHANNELS = 200;

export type Verdict = "take" | "too-many" | "too-many-of-address" | "refused-too-often";

/** IPv6 hands a whole /64 to one customer. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...new Array<string>(zeros).fill("0"), ...right].slice(0, 4).join(":");
}

/** Behind a tunnel everybody comes from loopback: no limit by address can tell them apart there. */
export const isLoopback = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);

export function createGate(now: () => number = Date.now) {
  const open = new Map<string, number>();
  const refusals = new FixedWindow(REFUSALS.limit, REFUSALS.windowMs, now);
  let blocked = new Set<string>();
  let blockedUntil = 0;
  let total = 0;
  return {
    /** Counts the connection when it is taken; {@link leave} then must follow. */
    enter(address: string): Verdict {
      if (total >= MAX_CONNECTIONS) return "too-many";
      const network = networkOf(address);
      if (!isLoopback(address)) {
        if (now() >= blockedUntil) blocked = new Set();
        if (blocked.has(network)) return "refused-too-often";
        if ((open.get(network) ?? 0) >= MAX_PER_ADDRESS) return "too-many-of-address";
      }
      total += 1;
      open.set(network, (open.get(network) ?? 0) + 1);
      return "take";
    },
    leave(address: string): void {
      const network = networkOf(address);
      total -= 1;
      const left = (open.get(network) ?? 1) - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    },
    /** A key was refused; an address that goes on is not let in again until the window ends. */
    refused(address: string): void {
      if (isLoopback(address)) return;
      const network = networkOf(address);
      try {
        refusals.take(network);
      } catch {
        if (blocked.size === 0) blockedUntil = now() + REFUSALS.windowMs;
        blocked.add(network);
      }
    },
  };
}
