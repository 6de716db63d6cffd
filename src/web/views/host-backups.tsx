/** Of a host's drawer: how its projects stand with their backups. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Host } from "../../contract/api.ts";
import type { BackupsOverview } from "../../contract/api-backups.ts";
import { api, keys } from "../api.ts";
import { BackupAlarms } from "../components/backup-state.tsx";
import { ago, plural } from "../components/format.ts";

/** In words; undefined where there is nothing to tell. Pure. */
export function hostBackupsInWords(overview: BackupsOverview, hostName: string): string | undefined {
  const mine = overview.projects.filter((one) => one.host_name === hostName && one.last !== null);
  if (mine.length === 0) return undefined;
  const proven = mine.flatMap((one) => one.last_proven_at ?? []).sort();
  const without = mine.length - proven.length;
  const failed = mine.filter((one) => one.last?.state === "failed").length;
  return [
    `${proven.length} of ${plural(mine.length, "project")} proven${proven[0] ? `, the oldest ${ago(proven[0])}` : ""}`,
    ...(without > 0 ? [`${without} without any`] : []),
    ...(failed > 0 ? [`the last one of ${failed} failed`] : []),
  ].join("; ");
}

export function HostBackups({ host }: { host: Host }): ReactNode {
  const overview = useQuery({
    queryKey: [...keys.projects, "all-backups"],
    queryFn: api.backups.overview,
    staleTime: 10_000,
  });
  const words = overview.data && hostBackupsInWords(overview.data, host.name);
  const here = new Set(
    overview.data?.projects.filter((one) => one.host_name === host.name).map((one) => one.project_id),
  );
  const alarms = overview.data?.alarms.filter((one) => here.has(one.project_id ?? "")) ?? [];
  if (words === undefined && alarms.length === 0) return null;
  return (
    <section aria-label="Backups">
      <h3>Backups</h3>
      <p className="dim" style={{ margin: 0 }}>
        {words ?? "No backup yet"}. <Link href="/backups">All backups</Link>
      </p>
      <BackupAlarms alarms={alarms} />
    </section>
  );
}
