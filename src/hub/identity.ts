/** Who this hub is: its id, its keys, the names it is reached by, and what it shows on its doors. */
import { join } from "node:path";
import type { Config } from "../core/config.ts";
import { execOk } from "../core/exec.ts";
import type { HubPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import { loadOrCreateSecret, masterKey } from "../core/secrets.ts";
import { fingerprint, loadOrCreateKeyPair } from "../core/ssh-keys.ts";
import { urlHost } from "../core/url-host.ts";
import type { HubIdentity } from "./hosts/join-tokens.ts";
import type { Events } from "./live/events.ts";
import { hostsFor } from "./server/doors.ts";
import type { Settings } from "./settings/settings.ts";
import { prepareSshdFiles } from "./sshd/files.ts";
import { createLiveTls } from "./tls/live-tls.ts";
import { reachableBy } from "./tls/names.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

/** What is on disk and never changes by itself; made at the first start. */
export function loadKeys(paths: HubPaths, config: Config) {
  return {
    hubId: uuidOf(loadOrCreateSecret(paths.secrets, "hub-id", 16)),
    /** Secrets of the hub derive from it, each by a name of its own. */
    master: masterKey(paths.secrets, config.master_key ?? undefined),
    grant: loadOrCreateKeyPair(join(paths.secrets, "grant_ed25519"), "cocalc-hub grants"),
    ssh: prepareSshdFiles(paths),
  };
}
export type HubKeys = ReturnType<typeof loadKeys>;

/** Names and certificates, which follow the settings while the hub runs. */
export async function createIdentity(deps: {
  keys: HubKeys;
  config: Config;
  paths: HubPaths;
  ports: Ports;
  settings: Settings;
  events: Events;
}) {
  const { keys, paths, ports, settings } = deps;
  let publicHost = await settings.get("public_host");
  let wildcard = await settings.get("apps_wildcard");
  const names = () => reachableBy(publicHost);
  const tls =
    deps.config.product === "plus"
      ? undefined
      : await createLiveTls(paths.tls, () => [
          ...LOOPBACK,
          ...names(),
          ...(wildcard === "" ? [] : [wildcard.replace(/:\d+$/, "")]),
        ]);
  deps.events.onChanged((event) => {
    if (event.kind !== "settings") return;
    void (async () => {
      publicHost = await settings.get("public_host");
      wildcard = await settings.get("apps_wildcard");
      await tls?.refresh();
    })();
  });
  const hub: HubIdentity = {
    hub_id: keys.hubId,
    addresses: names,
    https_port: ports.https,
    sshd_port: ports.sshd,
    ssh_fingerprint: () => fingerprint(keys.ssh.publicLine),
    ssh_user: await loginName(),
    tls_pin: () => tls?.current.people.pin ?? "",
  };
  return {
    hub,
    names,
    tls,
    trustedOrigins: () => [
      ...[...hostsFor([...names(), ...LOOPBACK], ports.https)].map((host) => `https://${host}`),
      ...[...hostsFor(LOOPBACK, ports.loopbackUi)].map((host) => `http://${host}`),
    ],
    /** Of the UI, for other machines; the best first. */
    lanUrls: () => names().map((name) => `https://${urlHost(name)}:${ports.https}`),
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
