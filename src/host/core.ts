/** What the parts of a host daemon are built from. */
import type { Router } from "../conat/router.ts";
import type { ProjectStatus } from "../contract/host-control.ts";
import type { Config } from "../core/config.ts";
import type { HostPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import type { KeyPair } from "../core/ssh-keys.ts";
import type { Helper } from "./helper/client.ts";
import type { HostImages } from "./images/ensure.ts";
import type { HubLink } from "./link/link.ts";
import type { ProjectManager } from "./projects/manager.ts";
import type { HostState } from "./state.ts";

export interface HostCore {
  config: Config;
  paths: HostPaths;
  ports: Ports;
  /** What it was told when it was paired. */
  state: HostState;
  /** This machine's one identity. */
  key: KeyPair;
  helper: Helper;
  /** Projects are plain processes of this user: no containers, and of the helper only what starts and stops them. */
  plain: boolean;
  /** At the end people stay logged in over SSH: another daemon is about to follow. */
  keepSessions: boolean;
  /** Of the browsers' sockets and the agents of running projects. */
  router: Router<unknown>;
  images: HostImages;
  manager: ProjectManager;
  /** The control link; it is made after the parts, so that it can call them from its first moment. */
  link(): HubLink;
}

/** A part beside the core: what it does from start to close. Its answers to the hub's verbs are in its own type. */
export interface HostFeature {
  start?(): Promise<void>;
  /** A project changed its state. */
  onStatus?(status: ProjectStatus): void;
  close?(): void;
}
