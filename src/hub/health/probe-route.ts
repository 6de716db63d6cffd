/** The way of a proxied page to a host, tried with a grant and without: the second must be refused. */
import { randomUUID } from "node:crypto";
import type { GrantCache } from "../proxy/grant-cache.ts";

/** `port`: where the host answers on this machine. Statuses as they came; `took_ms` of the first. */
export async function probeRoute(
  grants: GrantCache,
  hostId: string,
  port: number | undefined,
): Promise<{ granted: number; ungranted: number; took_ms: number }> {
  const project_id = randomUUID();
  const target = { port: 1 };
  const grant = await grants.sign({ kind: "proxy", sub: "local", project_id, target }, hostId, 60);
  const url = `http://127.0.0.1:${port}/${project_id}/proxy/1/`;
  const began = performance.now();
  const granted = await fetch(url, { headers: { "cocalc-grant": grant }, redirect: "manual" });
  const took_ms = performance.now() - began;
  const ungranted = await fetch(url, { redirect: "manual" });
  return { granted: granted.status, ungranted: ungranted.status, took_ms };
}
