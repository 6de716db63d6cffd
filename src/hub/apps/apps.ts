/** What the hub keeps about project pages: ports, choices, links, and the admin's wildcard name. */
import { X509Certificate } from "node:crypto";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { Events } from "../live/events.ts";
import type { ProjectStore } from "../projects/store.ts";
import { parseWildcard, type Wildcard } from "../proxy/places.ts";
import type { Settings } from "../settings/settings.ts";
import { createLeases, type Leases } from "./leases.ts";
import { createLinks, type Links } from "./links.ts";
import { createSharedChoices, type SharedChoices } from "./shared.ts";

export interface HubApps {
  leases: Leases;
  links: Links;
  shared: SharedChoices;
  /** The admin's wildcard name, as long as the hub's certificate covers it. */
  wildcard(): Wildcard | undefined;
  /** Ports of the shards that are listened on. */
  serve(shards: readonly number[]): void;
}

let known = { certPem: "", names: [] as string[] };

/** Whether a browser that asks for a name below the wildcard gets a certificate that is good for it. */
export function covers(certificate: { certPem: string } | undefined, suffix: string): boolean {
  if (certificate === undefined) return false;
  const { certPem } = certificate;
  // Asked at each request.
  if (known.certPem !== certPem) {
    const names = (new X509Certificate(certPem).subjectAltName ?? "").toLowerCase().split(/,\s*/);
    known = { certPem, names };
  }
  return known.names.includes(`dns:*.${suffix}`);
}

export async function createApps(deps: {
  db: Db;
  projects: ProjectStore;
  audit: Audit;
  events: Events;
  settings: Settings;
  /** Undefined where nothing is served over TLS. */
  certificate(): { certPem: string; caPem: string | undefined } | undefined;
}): Promise<HubApps> {
  const { db, projects, audit, events, settings } = deps;
  let usable: readonly number[] = [];
  let wildcard: Wildcard | undefined;
  const read = async () => {
    wildcard = parseWildcard(await settings.get("apps_wildcard"));
  };
  settings.check("apps_wildcard", (value) => {
    const set = parseWildcard(String(value));
    const certificate = deps.certificate();
    // The hub's own CA makes one that is good for it.
    if (value === "" || !set || certificate?.caPem !== undefined || covers(certificate, set.suffix))
      return undefined;
    return `the hub's certificate is not good for *.${set.suffix}: put one that is into tls/cert.pem and tls/key.pem of the hub's directory, and restart it`;
  });
  events.onChanged((event) => {
    if (event.kind === "settings") void read();
  });
  await read();
  const allowed = async () => (await settings.get("app_links")) === "on";
  return {
    leases: createLeases(db, { usable: () => usable }),
    links: createLinks(db, { projects, audit, events, allowed }),
    shared: createSharedChoices(db, { projects, audit }),
    wildcard: () => (wildcard && covers(deps.certificate(), wildcard.suffix) ? wildcard : undefined),
    serve(shards) {
      usable = shards;
    },
  };
}
