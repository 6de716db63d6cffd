/** What the parts of a hub are built from. A part takes it whole and says in its own file what it needs it for. */
import type { Hono } from "hono";
import type { Registry } from "prom-client";
import type { Host } from "../contract/api.ts";
import type { Config } from "../core/config.ts";
import type { HubPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import type { KeyPair } from "../core/ssh-keys.ts";
import type { Accounts } from "./accounts/accounts.ts";
import type { ApiEnv } from "./api/kit.ts";
import type { HubApps } from "./apps/apps.ts";
import type { Audit } from "./audit/audit.ts";
import type { Leases } from "./db/leases.ts";
import type { Db } from "./db/open.ts";
import type { CheckDefinition } from "./health/check.ts";
import type { ControlLinks } from "./hosts/control-link.ts";
import type { HubIdentity, JoinTokens } from "./hosts/join-tokens.ts";
import type { HostStore } from "./hosts/store.ts";
import type { Events } from "./live/events.ts";
import type { Operations } from "./operations/operations.ts";
import type { ProjectService } from "./projects/service.ts";
import type { ProjectStore } from "./projects/store.ts";
import type { Settings } from "./settings/settings.ts";
import type { BackupKey } from "./sshd/render.ts";

export interface HubCore {
  config: Config;
  paths: HubPaths;
  ports: Ports;
  /** `--data-dir`, when it was given. */
  dataDir: string | undefined;
  db: Db;
  audit: Audit;
  events: Events;
  settings: Settings;
  accounts: Accounts;
  hosts: HostStore;
  tokens: JoinTokens;
  links: ControlLinks;
  operations: Operations;
  /** For what must be done by one at a time, in whatever process of whatever hub. */
  leases: Leases;
  projects: ProjectStore;
  projectService: ProjectService;
  identity: HubIdentity;
  /** Ports, links and names of project pages. */
  apps: HubApps;
  /** Of the hub's sshd. */
  sshKey: KeyPair;
  /** Secrets of the hub derive from it, each by a name of its own (`deriveSecret`). */
  master: Buffer;
  /** Writes authorized_keys anew; with a host's id, ends that host's revoked sessions too. */
  keysChanged(endedHostId?: string): Promise<void>;
}

/** A part beside the core: its routes below /api, and what it does from start to close. */
export interface HubFeature {
  routes?(api: Hono<ApiEnv>): void;
  /** Adds its figures to `/metrics`; they are read when somebody scrapes. */
  metrics?(registry: Registry): void;
  /** Keys that sshd lets in beside those of tunnels and pairings. */
  sshKeys?(): Promise<BackupKey[]>;
  /** Checks of doctor and the health page. */
  checks?(hosts: readonly Host[]): CheckDefinition[];
  start?(): Promise<void>;
  close?(): Promise<void>;
}
