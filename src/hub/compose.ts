/** The hub, put together: each part is made once, with what it needs and no more. */
import { createPublicKey } from "node:crypto";
import { exportJWK } from "jose";
import type { Config, ConfigEntry } from "../core/config.ts";
import { FixedWindow } from "../core/fixed-window.ts";
import { randomToken } from "../core/ids.ts";
import { logger } from "../core/log.ts";
import { ensureDir, type HubPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import { deriveSecret } from "../core/secrets.ts";
import { VERSION } from "../core/version.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { authOptions, createAuth } from "./accounts/auth.ts";
import { createAuthenticator } from "./accounts/authenticate.ts";
import { createSetup } from "./accounts/setup.ts";
import { createApi } from "./api/app.ts";
import { createApps } from "./apps/apps.ts";
import { createImages } from "./artifacts/images.ts";
import { createAudit } from "./audit/audit.ts";
import type { HubCore } from "./core.ts";
import { createLeases } from "./db/leases.ts";
import { openDatabase } from "./db/open.ts";
import { createFeatures } from "./features.ts";
import { createHealth } from "./health/index.ts";
import { probeRoute } from "./health/probe-route.ts";
import { createHostProof } from "./hosts/host-proof.ts";
import { createJoinTokens } from "./hosts/join-tokens.ts";
import { createReach } from "./hosts/reach.ts";
import { createHostService } from "./hosts/service.ts";
import { createHostStore } from "./hosts/store.ts";
import { createIdentity, loadKeys } from "./identity.ts";
import { createEvents } from "./live/events.ts";
import { webSocketEcho } from "./live/self-echo.ts";
import { createOperations } from "./operations/operations.ts";
import { createPairing } from "./pairing/pairing.ts";
import { createPlusDoor } from "./plus/door.ts";
import { createOwner, createPlus, type Plus } from "./plus/plus.ts";
import { createProjectService } from "./projects/service.ts";
import { createProjectStore } from "./projects/store.ts";
import { createDirectory } from "./proxy/directory.ts";
import { createGrantCache } from "./proxy/grant-cache.ts";
import { serveDoors } from "./serving.ts";
import { createSettings } from "./settings/settings.ts";
import { jumpKeysOf } from "./ssh/access.ts";
import { bannerOf } from "./ssh/banner.ts";
import { createKeyFiles } from "./sshd/key-files.ts";

const log = logger("hub");
const GUESSES = { limit: 20, windowMs: 60_000 };
const SIGN_INS = { limit: 10, windowMs: 60_000 };
/** Expired join tokens leave authorized_keys within this time; sshd itself refuses them by expiry-time before. */
const KEYS_REFRESH_MS = 60_000;

export interface RunningHub {
  close(): Promise<void>;
  /** In a few words, for `systemctl status`. */
  summary(): Promise<string>;
  /** With the product plus alone. */
  plus: Plus | undefined;
}

export async function startHub(options: {
  config: Config;
  entries: ConfigEntry[];
  paths: HubPaths;
  ports: Ports;
  dataDir: string | undefined;
  assets: Record<string, string>;
}): Promise<RunningHub> {
  const { config, paths, ports } = options;
  for (const dir of [paths.dir, paths.secrets, paths.run, paths.images]) ensureDir(dir);
  const keys = loadKeys(paths, config);
  const authSecret = deriveSecret(keys.master, "sessions").toString("base64url");
  const events = createEvents();
  const db = await openDatabase(paths.db, authOptions(authSecret) as never);
  const audit = createAudit(db);
  const settings = createSettings(db, { config, entries: options.entries, audit, events });
  const isPlus = config.product === "plus";
  const identity = await createIdentity({ keys, config, paths, ports, settings, events });
  const { hub, tls, names, trustedOrigins } = identity;
  const auths = {
    secure: createAuth(db, { secret: authSecret, secure: true, trustedOrigins }),
    loopback: createAuth(db, { secret: authSecret, secure: false, trustedOrigins }),
  };
  const accounts = createAccounts(db, { audit, events });
  const authenticator = createAuthenticator(db, accounts, auths);
  const setup = createSetup(accounts, paths.secrets);
  const hosts = createHostStore(db, { ports, events, hubKey: hub.ssh_fingerprint });
  const tokens = createJoinTokens(db, { identity: hub, audit, events });
  const leases = createLeases(db);
  const operations = createOperations(db, { events, leases });
  const images = createImages(paths.images);

  const { links, tunnels, keyOffers } = createReach({
    db,
    hosts,
    identity: hub,
    audit,
    events,
    async hello() {
      return {
        time: new Date().toISOString(),
        version: VERSION,
        images: images.list().map(({ image, digest, bytes }) => ({ image, digest, bytes })),
        lan: await settings.lan(),
      };
    },
    projects: () => projects,
    catchUp: (hostId, status) => projectService.catchUp(hostId, status),
    directory: () => directory,
  });
  const projects = createProjectStore(db, { events, isHostConnected: links.isConnected });

  const jumpKeys = async () => ((await settings.get("ssh_jump")) === "off" ? [] : await jumpKeysOf(db));
  const keysChanged = createKeyFiles({
    paths,
    ports,
    hosts,
    tokens,
    jumpKeys,
    dataDir: options.dataDir,
    backups: async () => (await Promise.all(features.map((one) => one.sshKeys?.() ?? []))).flat(),
  });

  const pairing = createPairing({
    tokens,
    hosts,
    keyOffers,
    audit,
    identity: hub,
    grantPublicJwk: (await exportJWK(createPublicKey(keys.grant.privateKey) as never)) as Record<
      string,
      unknown
    >,
    caPem: tls?.current.caPem ?? "",
    sshHostKey: () => keys.ssh.publicLine,
    keysChanged,
  });
  const hostService = createHostService({
    hosts,
    tokens,
    links,
    projects,
    audit,
    identity: hub,
    sshPublicKey: keys.ssh.publicLine,
    grantKey: keys.grant.privateKey,
    keysChanged,
  });
  const projectService = createProjectService({ projects, hosts, links, operations, settings, audit });
  const apps = await createApps({
    db,
    projects,
    audit,
    events,
    settings,
    certificate: () => tls?.current.people,
  });
  const core: HubCore = {
    config,
    paths,
    ports,
    dataDir: options.dataDir,
    db,
    audit,
    events,
    settings,
    accounts,
    hosts,
    tokens,
    links,
    operations,
    leases,
    projects,
    projectService,
    identity: hub,
    apps,
    sshKey: keys.ssh,
    master: keys.master,
    keysChanged,
  };
  const features = createFeatures(core);
  const directory = createDirectory({ projects, hosts, accounts, ports, isUp: tunnels.isUp });
  events.onChanged((event) => {
    if (event.kind === "project" || event.kind === "user") directory.forget();
    if (event.kind === "user") authenticator.forget();
  });

  const hostOf = createHostProof({ hosts, hubId: keys.hubId });
  const guesses = new FixedWindow(GUESSES.limit, GUESSES.windowMs);
  const owner = createOwner(accounts, hub.ssh_user);
  const plusDoor = isPlus
    ? createPlusDoor({
        secretsDir: paths.secrets,
        secret: deriveSecret(keys.master, "plus"),
        port: ports.loopbackUi,
        guesses,
        owner,
      })
    : undefined;
  const authenticate = async (headers: Headers, secure: boolean) =>
    (await plusDoor?.caller(headers)) ?? (await authenticator.authenticate(headers, secure));
  const selfToken = randomToken();
  const grants = createGrantCache(keys.grant.privateKey, keys.hubId);
  const health = createHealth({
    version: VERSION,
    now: () => new Date(),
    checks: (all) => features.flatMap((one) => one.checks?.(all) ?? []),
    dataDir: paths.dir,
    tls: () => tls?.current.people,
    sshd: {
      port: ports.sshd,
      publicKey: async () => keys.ssh.publicLine,
      needed: async () => !isPlus && (await hosts.all()).length + (await tokens.live()).length > 0,
    },
    hosts: hosts.all,
    request: (hostId, verb, data, timeout) =>
      links.request(hostId, verb as "report", data as never, { timeout }),
    webSocketEcho: () => webSocketEcho(tls ? ports.https : ports.loopbackUi, tls?.current.people, selfToken),
    sshBanner: (host) => bannerOf("127.0.0.1", host.ssh_port, 5_000),
    probeRoute: async (host) => probeRoute(grants, host.host_id, await directory.hostPort(host.host_id)),
  });

  const api = createApi({
    accounts,
    auths,
    authenticator,
    setup,
    settings,
    audit,
    health,
    projects,
    projectService,
    operations,
    hostService,
    joinTokens: tokens,
    pairing,
    ports,
    product: config.product,
    version: VERSION,
    guesses,
    signIns: new FixedWindow(SIGN_INS.limit, SIGN_INS.windowMs),
    forgetSessions: authenticator.forget,
    publicUrl: async () => identity.lanUrls()[0] ?? `http://localhost:${ports.loopbackUi}`,
    doors: () => ({ loopback: `http://localhost:${ports.loopbackUi}`, lan: identity.lanUrls() }),
    features,
  });
  await keysChanged();
  const doors = await serveDoors({
    core,
    api,
    assets: options.assets,
    tls,
    names,
    images,
    pairing,
    keyOffers,
    directory,
    grants,
    guesses,
    plusDoor,
    authenticate,
    hostOf,
    selfToken,
  });
  tunnels.start();
  for (const feature of features) await feature.start?.();
  await operations.resume();
  const refresh = setInterval(
    () => void keysChanged().catch((error) => log.error("keys", error)),
    KEYS_REFRESH_MS,
  );
  log.info(
    "the hub serves",
    tls
      ? { https: ports.https, apps: ports.apps, loopback: ports.loopbackUi }
      : { loopback: ports.loopbackUi },
  );
  return {
    plus:
      plusDoor &&
      createPlus(core, {
        url: plusDoor.url(),
        owner,
        grantKey: keys.grant.privateKey,
        echoNow: tunnels.echoNow,
      }),
    async summary() {
      const all = await hosts.all();
      const linked = all.filter((one) => links.isConnected(one.host_id)).length;
      return all.length === 0 ? "no host yet" : `${linked} of ${all.length} hosts linked`;
    },
    async close() {
      clearInterval(refresh);
      tls?.close();
      tunnels.stop();
      operations.close();
      for (const feature of features.toReversed()) await feature.close?.();
      await doors.close();
      await db.destroy();
    },
  };
}
