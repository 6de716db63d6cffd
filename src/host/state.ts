/** What a paired machine knows of its hub, and its own key. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { type PairResponse, pairResponseSchema } from "../contract/join-token.ts";
import type { HostPaths } from "../core/paths.ts";
import { type KeyPair, loadOrCreateKeyPair } from "../core/ssh-keys.ts";
import { readStateFile } from "../core/state-file.ts";

export type HostState = PairResponse;

export function readHostState(paths: HostPaths): HostState | undefined {
  return readStateFile(paths.state, (value) => pairResponseSchema.parse(value));
}

export const hostKeyPath = (paths: HostPaths): string => join(paths.ssh, "host_ed25519");

/** Made here, never leaves this machine. */
export function hostKey(paths: HostPaths): KeyPair {
  return loadOrCreateKeyPair(hostKeyPath(paths), "cocalc-project-host");
}

export function hubVerifyingKey(state: HostState): KeyObject {
  return createPublicKey({ key: state.hub_public_key as never, format: "jwk" });
}
