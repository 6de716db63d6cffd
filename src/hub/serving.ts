/** The doors of the hub and what stands behind them: gateway of project pages, files, API, UI, sockets. */
import type { IncomingMessage } from "node:http";
import type { Hono } from "hono";
import type { FixedWindow } from "../core/fixed-window.ts";
import { deriveSecret } from "../core/secrets.ts";
import { VERSION } from "../core/version.ts";
import type { Caller } from "./accounts/caller.ts";
import type { ApiEnv } from "./api/kit.ts";
import { LINK_PREFIX } from "./apps/links.ts";
import type { Images } from "./artifacts/images.ts";
import { createPublicRoutes } from "./artifacts/public-routes.ts";
import type { HubCore } from "./core.ts";
import { createFilesDoor } from "./files/files-door.ts";
import type { KeyOffers } from "./hosts/key-offers.ts";
import { createBrowserLinks } from "./live/browser-links.ts";
import { createSshPresence } from "./live/ssh-present.ts";
import type { Pairing } from "./pairing/pairing.ts";
import type { PlusDoor } from "./plus/door.ts";
import { createAppSessions } from "./proxy/app-session.ts";
import type { Directory } from "./proxy/directory.ts";
import { createGateway } from "./proxy/gateway.ts";
import type { GrantCache } from "./proxy/grant-cache.ts";
import { webHeaders } from "./server/adapter.ts";
import { type Doors, openDoors } from "./server/doors.ts";
import { createHandlers } from "./server/handlers.ts";
import { createStaticUi } from "./server/static.ts";
import type { LiveTls } from "./tls/live-tls.ts";

export interface ServingDeps {
  core: HubCore;
  api: Hono<ApiEnv>;
  assets: Record<string, string>;
  tls: LiveTls | undefined;
  names(): string[];
  images: Images;
  pairing: Pairing;
  keyOffers: KeyOffers;
  directory: Directory;
  grants: GrantCache;
  guesses: FixedWindow;
  plusDoor: PlusDoor | undefined;
  authenticate(headers: Headers, secure: boolean): Promise<Caller | null>;
  hostOf(req: IncomingMessage): Promise<string | undefined>;
  /** Bearer by which the hub opens a socket to itself (doctor). */
  selfToken: string;
}

export async function serveDoors(deps: ServingDeps): Promise<Doors> {
  const { core, tls, directory, grants, guesses } = deps;
  const { apps, events, projects } = core;
  const gateway = createGateway({
    ports: core.ports,
    sessions: createAppSessions(deriveSecret(core.master, "app sessions")),
    grants,
    leases: apps.leases,
    links: apps.links,
    guesses,
    wildcard: apps.wildcard,
    sharedAccepted: apps.shared.accepted,
    route: async (sub, projectId, target) =>
      await directory.route(
        sub.startsWith(LINK_PREFIX) ? await apps.links.makerOf(sub) : sub,
        projectId,
        target,
      ),
    authenticate: (req, secure) => deps.authenticate(webHeaders(req), secure),
  });
  const files = createFilesDoor({ grants, route: directory.filesRoute });
  // After the directory has forgotten what it believed.
  events.onChanged((event) => {
    for (const door of [gateway, files]) {
      if (event.kind === "project") void door.recheck(event.id);
      if (event.kind === "user" || event.kind === "settings") void door.recheck();
    }
  });
  const handlers = createHandlers({
    api: deps.api,
    ui: createStaticUi(deps.assets),
    gateway,
    files,
    publicRoutes: createPublicRoutes({
      pairing: deps.pairing,
      keyOffers: deps.keyOffers,
      images: deps.images,
      tls: () => tls?.current.people,
      version: VERSION,
      guesses,
      hostOf: deps.hostOf,
    }),
    controlLinks: core.links,
    browserLinks: createBrowserLinks({
      events,
      membersOf: projects.membersOf,
      maySeeOperation: core.operations.maySee,
      account: core.accounts.byId,
      overSsh: createSshPresence(core),
    }),
    directory,
    projects,
    events,
    grants,
    authenticate: deps.authenticate,
    hostOf: deps.hostOf,
    selfToken: deps.selfToken,
    plusDoor: deps.plusDoor,
  });
  const { ports, paths } = core;
  const doors = await openDoors({ ports, tls, names: deps.names, socketPath: paths.socket, handlers });
  apps.serve(doors.shards);
  return doors;
}
