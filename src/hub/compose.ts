/** The hub, put together: each part is made once, with what it needs and no more. */
import { createPublicKey, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { exportJWK } from "jose";
import { verifyAssertion } from "../contract/grants.ts";
import type { Config, ConfigEntry } from "../core/config.ts";
import { CodedError, messageOf, type ProblemDetails } from "../core/errors.ts";
import { execOk } from "../core/exec.ts";
import { randomToken } from "../core/ids.ts";
import { logger } from "../core/log.ts";
import { ensureDir, type HubPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import { deriveSecret, loadOrCreateSecret, masterKey } from "../core/secrets.ts";
import { decodePublicLine, fingerprint, loadOrCreateKeyPair } from "../core/ssh-keys.ts";
import { VERSION } from "../core/version.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { authOptions, createAuth } from "./accounts/auth.ts";
import { createAuthenticator } from "./accounts/authenticate.ts";
import { createSetup } from "./accounts/setup.ts";
import { createApi } from "./api/app.ts";
import { FixedWindow } from "./api/rate-limit.ts";
import { createImages } from "./artifacts/images.ts";
import { createPublicRoutes } from "./artifacts/public-routes.ts";
import { createAudit } from "./audit/audit.ts";
import { openDatabase } from "./db/open.ts";
import { createHealth } from "./health/index.ts";
import { createControlLinks } from "./hosts/control-link.ts";
import { createJoinTokens, type HubIdentity } from "./hosts/join-tokens.ts";
import { createHostService } from "./hosts/service.ts";
import { createHostStore } from "./hosts/store.ts";
import { verdict } from "./hosts/verdict.ts";
import { createBrowserLinks } from "./live/browser-links.ts";
import { createEvents } from "./live/events.ts";
import { webSocketEcho } from "./live/self-echo.ts";
import { createOperations } from "./operations/operations.ts";
import { createPairing } from "./pairing/pairing.ts";
import { createProjectService } from "./projects/service.ts";
import { createProjectStore } from "./projects/store.ts";
import { createAppSessions } from "./proxy/app-session.ts";
import { createDirectory } from "./proxy/directory.ts";
import { createGateway } from "./proxy/gateway.ts";
import { createGrantCache } from "./proxy/grant-cache.ts";
import { webHeaders } from "./server/adapter.ts";
import { type Doors, hostsFor, openDoors } from "./server/doors.ts";
import { createHandlers } from "./server/handlers.ts";
import { createStaticUi } from "./server/static.ts";
import { createSettings } from "./settings/settings.ts";
import { endRevokedSessions, prepareSshdFiles, writeAuthorizedKeys } from "./sshd/files.ts";
import { reachableBy } from "./tls/names.ts";
import { loadTls } from "./tls/tls.ts";
import { createTunnels } from "./tunnels/tunnels.ts";

const log = logger("hub");
const GUESSES = { limit: 20, windowMs: 60_000 };
const SIGN_INS = { limit: 10, windowMs: 60_000 };
/** Expired join tokens leave authorized_keys within this time; sshd itself refuses them by expiry-time before. */
const KEYS_REFRESH_MS = 60_000;

export interface RunningHub {
  close(): Promise<void>;
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
  const master = masterKey(paths.secrets, config.master_key ?? undefined);
  const authSecret = deriveSecret(master, "sessions").toString("base64url");
  const hubId = uuidOf(loadOrCreateSecret(paths.secrets, "hub-id", 16));
  const grantPair = loadOrCreateKeyPair(join(paths.secrets, "grant_ed25519"), "cocalc-hub grants");
  const sshPair = prepareSshdFiles(paths);
  const events = createEvents();
  const db = await openDatabase(paths.db, authOptions(authSecret) as never);
  const audit = createAudit(db);
  const settings = createSettings(db, { config, entries: options.entries, audit, events });
  let publicHost = await settings.get("public_host");
  events.onChanged((event) => {
    if (event.kind !== "settings") return;
    void settings.get("public_host").then((value) => {
      publicHost = value;
    });
  });
  const names = () => reachableBy(publicHost);
  const tls = await loadTls(paths.tls, ["localhost", "127.0.0.1", "::1", ...names()]);

  const trustedOrigins = () => [
    ...[...hostsFor([...names(), "localhost", "127.0.0.1", "::1"], ports.https)].map(
      (host) => `https://${host}`,
    ),
    ...[...hostsFor(["localhost", "127.0.0.1", "::1"], ports.loopbackUi)].map((host) => `http://${host}`),
  ];
  const auths = {
    secure: createAuth(db, { secret: authSecret, secure: true, trustedOrigins }),
    loopback: createAuth(db, { secret: authSecret, secure: false, trustedOrigins }),
  };
  const accounts = createAccounts(db, { audit, events });
  const authenticator = createAuthenticator(db, accounts, auths);
  const setup = createSetup(accounts, paths.secrets);
  const identity: HubIdentity = {
    hub_id: hubId,
    addresses: names,
    https_port: ports.https,
    sshd_port: ports.sshd,
    ssh_fingerprint: () => fingerprint(sshPair.publicLine),
    ssh_user: await loginName(),
    tls_pin: tls.pin,
  };
  const hosts = createHostStore(db, { ports, events });
  const tokens = createJoinTokens(db, { identity, audit, events });
  const operations = createOperations(db, { events });
  const images = createImages(paths.images);

  /** What hosts say of their own tunnels. */
  const told = new Map<string, ProblemDetails>();
  const links = createControlLinks({
    async hello() {
      return {
        time: new Date().toISOString(),
        version: VERSION,
        images: images.list().map(({ image, digest, bytes }) => ({ image, digest, bytes })),
        lan: await settings.lan(),
      };
    },
    async report(hostId, report) {
      await hosts.setReport(hostId, report);
      await judgeHost(hostId);
    },
    projectStatus: (hostId, status) => projects.applyStatus(hostId, status),
    async step(hostId, step) {
      const { name, ...change } = step;
      await hosts.setStep(hostId, name, change);
      if (name === "tunnel-up") {
        if (change.state === "failed" && change.problem) told.set(hostId, change.problem);
        else told.delete(hostId);
        await judgeHost(hostId);
      }
    },
    connected: (hostId) => void judgeHost(hostId).then(() => projectsChanged(hostId)),
    disconnected: (hostId) => void judgeHost(hostId).then(() => projectsChanged(hostId)),
  });
  const projects = createProjectStore(db, { events, isHostConnected: links.isConnected });

  async function judgeHost(hostId: string): Promise<void> {
    const host = await hosts.find(hostId);
    if (!host) return;
    const judged = verdict(host, {
      connected: links.isConnected(hostId),
      up: tunnels.isUp(hostId),
      told: told.get(hostId),
      clock: tunnels.clock(hostId),
    });
    if (!judged) return;
    if (judged.state === "ready") await hosts.setStep(hostId, "storage-ready", { state: "done" });
    await hosts.setState(hostId, judged.state, judged.problem);
  }
  function projectsChanged(hostId: string): void {
    directory.forget();
    events.changed("host", hostId);
    void db
      .selectFrom("projects")
      .select("project_id")
      .where("host_id", "=", hostId)
      .execute()
      .then((rows) => {
        for (const row of rows) events.changed("project", row.project_id);
      });
  }

  async function keysChanged(endedHostId?: string): Promise<void> {
    const dataDir = options.dataDir === undefined ? "" : ` --data-dir '${options.dataDir}'`;
    const keys = await hosts.tunnelKeys();
    writeAuthorizedKeys(paths, keys, await tokens.live(), {
      httpsPort: ports.https,
      pairCommand: (tokenId) => `exec '${process.execPath}' pair-handshake --token ${tokenId}${dataDir}`,
    });
    if (endedHostId === undefined) return;
    endRevokedSessions(
      paths,
      ports.sshd,
      keys.map((key) => key.host_id),
    );
  }

  const pairing = createPairing({
    tokens,
    hosts,
    audit,
    identity,
    grantPublicJwk: (await exportJWK(createPublicKey(grantPair.privateKey) as never)) as Record<
      string,
      unknown
    >,
    caPem: tls.caPem,
    sshHostKey: () => sshPair.publicLine,
    keysChanged,
  });
  const hostService = createHostService({
    hosts,
    tokens,
    links,
    projects,
    audit,
    identity,
    grantKey: grantPair.privateKey,
    keysChanged,
  });
  const projectService = createProjectService({ projects, hosts, links, operations, settings, audit });
  const tunnels = createTunnels({
    hosts,
    hubId,
    async target(host_id) {
      const row = await hosts.row(host_id);
      const port = await directory.hostPort(host_id);
      return row && port !== undefined ? { host_id, port, public_key: row.public_key } : undefined;
    },
    onUp: (hostId) => void judgeHost(hostId).then(() => projectsChanged(hostId)),
    onClock: (hostId) => void judgeHost(hostId),
    onDown: (hostId) => void judgeHost(hostId).then(() => projectsChanged(hostId)),
  });
  const directory = createDirectory({ projects, hosts, accounts, ports, isUp: tunnels.isUp });
  events.onChanged((event) => {
    if (event.kind === "project" || event.kind === "user") directory.forget();
    if (event.kind === "user") authenticator.forget();
  });

  async function hostOf(req: IncomingMessage): Promise<string | undefined> {
    const bearer = /^Bearer (eyJ.+)$/.exec(req.headers.authorization ?? "")?.[1];
    if (bearer === undefined) return undefined;
    const hostId = issuerOf(bearer);
    const row = hostId === undefined ? undefined : await hosts.row(hostId);
    if (!row || row.key_revoked || row.state === "gone") {
      throw new CodedError({ code: "host.unknown", title: "This hub does not know that host", status: 403 });
    }
    try {
      await verifyAssertion(bearer, "control", {
        key: decodePublicLine(row.public_key) as never,
        hubId,
        hostId: row.host_id,
        judgeClock: true,
      });
    } catch (error) {
      throw new CodedError({
        code: "host.proof-refused",
        title: "The host's proof is refused",
        why: messageOf(error),
        status: 403,
      });
    }
    return row.host_id;
  }

  const guesses = new FixedWindow(GUESSES.limit, GUESSES.windowMs);
  const selfToken = randomToken();
  const grants = createGrantCache(grantPair.privateKey, hubId);
  const health = createHealth({
    version: VERSION,
    now: () => new Date(),
    dataDir: paths.dir,
    tls,
    sshd: {
      port: ports.sshd,
      publicKey: async () => sshPair.publicLine,
      needed: async () => (await hosts.tunnelKeys()).length + (await tokens.live()).length > 0,
    },
    hosts: hosts.all,
    request: (hostId, verb, data, timeout) =>
      links.request(hostId, verb as "report", data as never, { timeout }),
    webSocketEcho: () => webSocketEcho(ports.https, tls.caPem, selfToken),
    async probeRoute(host) {
      const port = await directory.hostPort(host.host_id);
      const project_id = randomUUID();
      const grant = await grants.sign({ kind: "proxy", sub: "local", project_id, port: 1 }, host.host_id, 60);
      const url = `http://127.0.0.1:${port}/${project_id}/proxy/1/`;
      const began = performance.now();
      const granted = await fetch(url, { headers: { "cocalc-grant": grant }, redirect: "manual" });
      const took_ms = performance.now() - began;
      const ungranted = await fetch(url, { redirect: "manual" });
      return { granted: granted.status, ungranted: ungranted.status, took_ms };
    },
  });

  const lanUrls = () =>
    names().map((name) => `https://${name.includes(":") ? `[${name}]` : name}:${ports.https}`);
  const api = createApi({
    accounts,
    auths,
    authenticator,
    setup,
    settings,
    audit,
    health,
    images,
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
    publicUrl: async () => lanUrls()[0] ?? `http://localhost:${ports.loopbackUi}`,
    doors: () => ({ loopback: `http://localhost:${ports.loopbackUi}`, lan: lanUrls() }),
  });
  const authenticate = authenticator.authenticate;
  const handlers = createHandlers({
    api,
    ui: createStaticUi(options.assets),
    gateway: createGateway({
      ports,
      sessions: createAppSessions(deriveSecret(master, "app sessions")),
      grants,
      route: directory.route,
      authenticate: (req, secure) => authenticate(webHeaders(req), secure),
    }),
    publicRoutes: createPublicRoutes({
      pairing,
      images,
      caPem: tls.caPem,
      tlsPin: tls.pin,
      version: VERSION,
      guesses,
      hostOf,
    }),
    controlLinks: links,
    browserLinks: createBrowserLinks({
      events,
      membersOf: projects.membersOf,
      maySeeOperation: operations.maySee,
      account: accounts.byId,
    }),
    directory,
    projects,
    grants,
    authenticate,
    hostOf,
    selfToken,
  });
  await keysChanged();
  const doors: Doors = await openDoors({ ports, tls, names, socketPath: paths.socket, handlers });
  tunnels.start();
  await operations.resume();
  const refresh = setInterval(
    () => void keysChanged().catch((error) => log.error("keys", error)),
    KEYS_REFRESH_MS,
  );
  log.info("the hub serves", { https: ports.https, apps: ports.apps, loopback: ports.loopbackUi });
  return {
    async close() {
      clearInterval(refresh);
      tunnels.stop();
      await doors.close();
      await db.destroy();
    },
  };
}

/** By uid: Bun's userInfo() believes $USER, which says root after sudo and nothing in a unit. */
async function loginName(): Promise<string> {
  return (await execOk(["id", "-un"])).trim();
}

function uuidOf(bytes: Buffer): string {
  const id = Buffer.from(bytes);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x40;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return id.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Whose JWT it claims to be, unverified: only to find the key that verifies it. */
function issuerOf(jwt: string): string | undefined {
  try {
    const payload = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as {
      iss?: unknown;
    };
    return typeof payload.iss === "string" ? payload.iss : undefined;
  } catch {
    return undefined;
  }
}
