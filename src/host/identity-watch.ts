/**
 * Notices that this machine was paired anew or has another key than when its daemon began: the daemon then ends, its
 * supervisor starts it with what is on disk now, and projects never notice.
 */
import type { HostPaths } from "../core/paths.ts";
import type { KeyPair } from "../core/ssh-keys.ts";
import { type HostState, knownHostKey, readHostState } from "./state.ts";

const POLL_MS = 1_000;

/** What a daemon took from its state at the start. The hub's SSH key and ports are the connector's affair. */
const used = ({ host_id, hub_id, kind, hub_public_key, ca_pem, addresses, https_port }: HostState) =>
  JSON.stringify([host_id, hub_id, kind, hub_public_key, ca_pem, [...addresses].sort(), https_port]);

export async function identityChanged(paths: HostPaths, state: HostState, key: KeyPair): Promise<string> {
  for (;;) {
    await Bun.sleep(POLL_MS);
    const now = readHostState(paths);
    if (now && used(now) !== used(state)) return "it was paired anew";
    // A key that is gone is made anew by whoever needs it first; here that is nobody.
    const line = knownHostKey(paths);
    if (line !== undefined && line !== key.publicLine) return "it has a new key";
  }
}
