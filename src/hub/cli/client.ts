/** How a command reaches the hub: the unix socket of a local data directory, or COCALC_URL with COCALC_API_KEY. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import type { Caller } from "../../conat/caller.ts";
import { type ClientOptions, type ConatClient, connect as connectConat } from "../../conat/client.ts";
import { type ApiClient, createApiClient, type FetchLike } from "../../contract/client.ts";
import { loadConfig } from "../../core/config.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { type HubPaths, hubPaths } from "../../core/paths.ts";
import { isRoot } from "../../core/service-users.ts";
import { HUB_USER } from "../up/users.ts";

export interface HubAccess {
  api: ApiClient;
  /** Whatever is not API: files. A connection that breaks rejects. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A message socket to a host, as the browser has it, once it is open. `conat.disconnected` with the cause. */
  host(hostId: string): Promise<Caller & { close(): void }>;
}

/**
 * A page asks again after ten seconds; a command has one go, and a slow machine that is busy may need longer for it. The
 * hub waits so many seconds for the host (`Prefer: wait`, RFC 7240).
 */
const WAIT_SECONDS = 35;
const CONNECT_MS = 40_000;
/** With a host that refuses at once it is over sooner: at the third time. */
const READY_MS = 90_000;
const TRIES = 3;

async function connectPatiently(options: ClientOptions): Promise<ConatClient> {
  let failures = 0;
  const client = connectConat({
    ...options,
    headers: async () => ({ ...(await options.headers?.()), prefer: `wait=${WAIT_SECONDS}` }),
    connectTimeout: CONNECT_MS,
    giveUp: () => ++failures >= TRIES,
  });
  try {
    await client.ready(READY_MS);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Of the hub on this machine. */
export function localHubPaths(args: { "data-dir"?: string | undefined }): HubPaths {
  const { config } = loadConfig(process.env);
  // As root on an installed machine the data is the service user's.
  const fallback =
    isRoot() && existsSync(HUB_USER.home) ? join(HUB_USER.home, ".local/share/cocalc") : undefined;
  return hubPaths(args["data-dir"] ?? fallback, config.data_dir ?? undefined);
}

export function access(args: { "data-dir"?: string | undefined }): HubAccess {
  const { config } = loadConfig(process.env);
  if (args["data-dir"] === undefined && config.url !== null) return remote(config.url, config.api_key);
  const { socket } = localHubPaths(args);
  if (!existsSync(socket)) {
    throw new CodedError({
      code: "hub.not-running",
      title: `No hub runs with this data directory`,
      why: `There is no ${socket}.`,
      fix: "Start it, give the right --data-dir, or set COCALC_URL and COCALC_API_KEY for a hub elsewhere.",
      command: "cocalc-hub up",
      exit: EX.UNAVAILABLE,
    });
  }
  const local: FetchLike = (url, init) => fetch(url, { ...init, unix: socket } as RequestInit);
  return {
    api: createApiClient({ base: "http://localhost", fetch: local }),
    fetch: (path, init = {}) => local(`http://localhost${path}`, init),
    host: (hostId) => connectPatiently({ url: `ws+unix://${socket}:/${hostId}/conat` }),
  };
}

/** What Bun and OpenSSL say when nobody they know signed the certificate. */
const UNKNOWN_CA = /certificate|CERT_|self[- ]signed/i;

function remote(url: string, key: string | null): HubAccess {
  if (key === null) {
    throw new CodedError({
      code: "cli.no-api-key",
      title: "COCALC_URL is set, but COCALC_API_KEY is not",
      fix: "Make a key in the browser: Account, API keys.",
      exit: EX.CONFIG,
    });
  }
  const headers = { authorization: `Bearer ${key}` };
  const base = url.replace(/\/+$/, "");
  // Read by us, because Bun's WebSocket does not look at this variable, only its fetch does.
  const caFile = process.env.NODE_EXTRA_CA_CERTS;
  const tls = caFile ? { ca: [...rootCertificates, readText(caFile)] } : undefined;
  const far: FetchLike = async (target, init) => {
    try {
      return await fetch(target, { ...init, ...(tls ? { tls } : {}) } as RequestInit);
    } catch (error) {
      if (!UNKNOWN_CA.test(messageOf(error))) throw error;
      throw new CodedError(
        {
          code: "hub.unknown-certificate",
          title: `Nobody this machine trusts signed the certificate of ${base}`,
          why: `${messageOf(error)}. A hub without a certificate of yours has its own CA.`,
          fix: "Copy ca.pem from the hub's data directory (launchpad/tls/ca.pem) over a way you trust, and name it:",
          command: "export NODE_EXTRA_CA_CERTS=ca.pem",
          exit: EX.NOPERM,
        },
        { cause: error },
      );
    }
  };
  return {
    api: createApiClient({ base, headers, fetch: far }),
    fetch: (path, init = {}) => far(base + path, { ...init, headers: { ...init.headers, ...headers } }),
    host: (hostId) =>
      connectPatiently({
        url: `${base.replace(/^http/, "ws")}/${hostId}/conat`,
        headers: () => headers,
        ...(tls ? { tls } : {}),
      }),
  };
}

/** A file named on the command line; `cli.unreadable-file` when it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CodedError(
      {
        code: "cli.unreadable-file",
        title: `The file ${path} cannot be read`,
        why: messageOf(error),
        exit: EX.NOINPUT,
      },
      { cause: error },
    );
  }
}

/** The first line of a file, or of standard input for `-`. */
export async function readPassword(path: string): Promise<string> {
  const text = path === "-" ? await Bun.stdin.text() : readText(path);
  return text.split(/\r?\n/)[0] ?? "";
}
