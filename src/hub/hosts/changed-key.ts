/** Keys that are not the agreed ones, in words and as data. Pure. */
import type { ChangedKey } from "../../contract/api.ts";
import type { MetHubKey } from "../../contract/host-control.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { fingerprint } from "../../core/ssh-keys.ts";
import type { HostTable } from "../db/schema.ts";

export type KeyRow = Pick<HostTable, "public_key" | "offered_key" | "offered_at" | "offered_from">;

/** `hubKey`: fingerprint of the hub's own sshd key, as it is now. */
export function changedKey(
  row: KeyRow,
  met: (MetHubKey & { at: string }) | undefined,
  hubKey: string,
): ChangedKey | null {
  if (row.offered_key !== null) {
    return {
      side: "host",
      known: fingerprint(row.public_key),
      shown: fingerprint(row.offered_key),
      acceptable: true,
      at: row.offered_at ?? new Date(0).toISOString(),
      from: row.offered_from,
    };
  }
  if (!met) return null;
  return {
    side: "hub",
    known: met.known,
    shown: met.shown,
    acceptable: met.shown === hubKey,
    at: met.at,
    from: met.address,
  };
}

export const HOST_KEY_CHANGED = "host.key-changed";

/** Said on the hub, and to the machine that joins again with another key. */
export function hostKeyChanged(name: string, known: string, shown: string, from: string): ProblemDetails {
  return {
    code: HOST_KEY_CHANGED,
    title: `${name} shows another key than the one it joined with`,
    why: `It joined with ${known}; ${from} shows ${shown}.`,
    fix: "If that machine was set up anew or lost its ssh folder, compare with what `cocalc-project-host status` prints there, then accept the key on the hub. Otherwise another machine claims to be it: leave it refused.",
    command: `cocalc-hub host accept-key ${name} ${shown}`,
  };
}

/** What a host met where the hub's sshd should be; `hubKey` tells whether it was the hub after all. */
export function hubKeyChanged(name: string, met: MetHubKey, hubKey: string): ProblemDetails {
  const why = `${name} knows the hub by ${met.known}; at ${met.address} it met ${met.shown ?? "a key that could not be read"}.`;
  const code = "tunnel.host-key-changed";
  if (met.shown === hubKey) {
    return {
      code,
      title: "The hub's SSH key is not the one this machine knows",
      why,
      fix: "It is this hub's own key: its ssh folder was lost, or the hub was restored without it. Accept it for this machine.",
      command: `cocalc-hub host accept-key ${name} ${hubKey}`,
    };
  }
  return {
    code,
    title: "What this machine meets there is not this hub's SSH server",
    why: `${why} The hub's own key is ${hubKey}.`,
    fix: "Another machine has that address, or somebody is in between: nothing was sent. Correct public_host in the settings, or the network.",
  };
}
