/** Names and addresses by which this machine is reached, best first. */

import { isIPv6 } from "node:net";
import { hostname, networkInterfaces } from "node:os";

/** Interfaces that lead to projects and containers, not to people. */
const INTERNAL = /^(cc|veth|podman|docker|cni|virbr|br-|lxc|tap|tun)/;

export function ownAddresses(): string[] {
  const addresses: string[] = [];
  for (const [name, list] of Object.entries(networkInterfaces())) {
    if (INTERNAL.test(name)) continue;
    for (const entry of list ?? []) {
      // Link-local addresses need a zone, which no URL carries.
      if (entry.internal || entry.address.toLowerCase().startsWith("fe80:")) continue;
      addresses.push(entry.address);
    }
  }
  return addresses.sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b)));
}

export function ownName(): string {
  return hostname().toLowerCase();
}

/** For join tokens and printed URLs: what the admin said, then addresses, then the name (which may not resolve). */
export function reachableBy(publicHost: string): string[] {
  return [...new Set([...(publicHost ? [publicHost] : []), ...ownAddresses(), ownName()])];
}
