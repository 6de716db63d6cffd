/**
 * `/metrics`: what a Prometheus server asks for, in OpenMetrics text. The hub's own process, and every host by what
 * it last reported, so that one target shows the whole system. For admins: an API key as bearer token, or the local
 * socket. Figures are read when asked for; nothing is counted that nobody scrapes.
 *
 * @example scrape_configs: [{ job_name: cocalc, scheme: https, authorization: { credentials_file: key }, … }]
 */
import type { Hono } from "hono";
import { collectDefaultMetrics, Gauge, type OpenMetricsContentType, Registry } from "prom-client";
import { z } from "zod";
import { HOST_STATES, PROJECT_STATES } from "../../contract/api.ts";
import { VERSION } from "../../core/version.ts";
import { assertAdmin } from "../accounts/caller.ts";
import { type ApiEnv, callerOf, doc } from "../api/kit.ts";
import type { HubCore, HubFeature } from "../core.ts";

export function createMetrics(core: HubCore, parts: readonly HubFeature[]): HubFeature {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames: [...labelNames], registers: [registry as never] });

  const info = gauge("cocalc_build", "1, labelled with the hub's version", ["version"] as const);
  info.set({ version: VERSION }, 1);
  const host = ["host_id", "host"] as const;
  const hostState = gauge("cocalc_host_state", "1 for the state that the host is in", [...host, "state"]);
  const tunnelUp = gauge("cocalc_host_tunnel_up", "1 while a signed echo goes end to end", host);
  const rtt = gauge("cocalc_host_tunnel_rtt_seconds", "Round trip of the last echo", host);
  const reported = gauge("cocalc_host_report_age_seconds", "Since the host last told of itself", host);
  const load = gauge("cocalc_host_load1", "Load average of one minute", host);
  const memory = gauge("cocalc_host_memory_bytes", "Memory of the machine", [...host, "kind"]);
  const storage = gauge("cocalc_host_storage_bytes", "Where projects lie", [...host, "kind"]);
  const hostProjects = gauge("cocalc_host_projects", "Projects on the host", [...host, "kind"]);
  const projects = gauge("cocalc_projects", "Projects by state", ["state"] as const);
  const operations = gauge("cocalc_operations", "Operations of the last week", ["kind", "state"] as const);

  async function readHosts(now: number): Promise<void> {
    for (const one of [hostState, tunnelUp, rtt, reported, load, memory, storage, hostProjects]) one.reset();
    for (const { host_id, name, state, type, tunnel, report, report_at } of await core.hosts.all()) {
      if (state === "gone") continue;
      const labels = { host_id, host: name };
      for (const each of HOST_STATES) hostState.set({ ...labels, state: each }, each === state ? 1 : 0);
      if (type.kind !== "local") tunnelUp.set(labels, tunnel.state === "up" ? 1 : 0);
      if (tunnel.rtt_ms !== null) rtt.set(labels, tunnel.rtt_ms / 1000);
      if (report === null || report_at === null) continue;
      reported.set(labels, (now - Date.parse(report_at)) / 1000);
      load.set(labels, report.load.load1);
      memory.set({ ...labels, kind: "total" }, report.memory.total_bytes);
      memory.set({ ...labels, kind: "available" }, report.memory.available_bytes);
      storage.set({ ...labels, kind: "total" }, report.storage.total_bytes);
      storage.set({ ...labels, kind: "free" }, report.storage.free_bytes);
      for (const kind of ["running", "queued", "total"] as const)
        hostProjects.set({ ...labels, kind }, report.projects[kind]);
    }
  }

  async function readDatabase(now: number): Promise<void> {
    const count = core.db.fn.countAll<number>().as("count");
    projects.reset();
    for (const state of PROJECT_STATES) projects.set({ state }, 0);
    for (const row of await core.db
      .selectFrom("projects")
      .select(["state", count])
      .groupBy("state")
      .execute())
      projects.set({ state: row.state }, Number(row.count));
    operations.reset();
    const since = new Date(now - 7 * 86_400_000).toISOString();
    for (const row of await core.db
      .selectFrom("operations")
      .select(["kind", "state", count])
      .where("created_at", ">", since)
      .groupBy(["kind", "state"])
      .execute())
      operations.set({ kind: row.kind, state: row.state }, Number(row.count));
  }

  for (const part of parts) part.metrics?.(registry as never);
  return {
    routes(api: Hono<ApiEnv>) {
      api.get(
        "/metrics",
        doc("Figures for Prometheus, as OpenMetrics text (admin)", z.string()),
        async (c) => {
          assertAdmin(callerOf(c));
          const now = Date.now();
          await Promise.all([readHosts(now), readDatabase(now)]);
          return c.body(await registry.metrics(), 200, {
            "content-type": registry.contentType,
            "cache-control": "no-store",
          });
        },
      );
    },
    async start() {
      collectDefaultMetrics({ register: registry as never });
    },
  };
}
