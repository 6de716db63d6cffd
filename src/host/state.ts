/** What a paired machine knows of its hub, and its own key. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type PairResponse, pairResponseSchema } from "../contract/join-token.ts";
import { errnoOf } from "../core/errors.ts";
import type { HostPaths } from "../core/paths.ts";
import {
  decodePrivateKey,
  type KeyPair,
  loadOrCreateKeyPair,
  normalizePublicLine,
} from "../core/ssh-keys.ts";
import { readStateFile, writeStateFile } from "../core/state-file.ts";

export type HostState = PairResponse;

export function readHostState(paths: HostPaths): HostState | undefined {
  return readStateFile(paths.state, (value) => pairResponseSchema.parse(value));
}

/**
 * The hub says, over the link whose CA this machine pinned, that its sshd has another key from now on. The connector
 * sees the change and connects. Errors: `ssh-key.unreadable`.
 */
export function trustHubKey(paths: HostPaths, line: string): void {
  const ssh_host_key = normalizePublicLine(line);
  const state = readHostState(paths);
  if (state && state.ssh_host_key !== ssh_host_key) writeStateFile(paths.state, { ...state, ssh_host_key });
}

export const hostKeyPath = (paths: HostPaths): string => join(paths.ssh, "host_ed25519");

/** Made here, never leaves this machine. */
export function hostKey(paths: HostPaths): KeyPair {
  return loadOrCreateKeyPair(hostKeyPath(paths), "cocalc-project-host");
}

/** The public half as it is on disk now, without making one; undefined when there is none. */
export function knownHostKey(paths: HostPaths): string | undefined {
  try {
    return decodePrivateKey(readFileSync(hostKeyPath(paths), "utf8")).publicLine;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export function hubVerifyingKey(state: HostState): KeyObject {
  return createPublicKey({ key: state.hub_public_key as never, format: "jwk" });
}
